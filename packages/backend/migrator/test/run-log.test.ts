import { hostname } from "node:os";
import { createTestDatabase, createTestRole } from "@repo/test-database";
import { expect, test } from "vitest";
import { type Event, migrate, status } from "../src/index.ts";
import { VERSION } from "../src/version.ts";
import { documentOf, runCli } from "./support/cli.ts";
import { failureOf, quoted } from "./support/database.ts";
import { makeFolder, THREE } from "./support/folder.ts";

const RUNS = "drizzle.__drizzle_migrations_runs";

test("the run log tells who ran what, how it ended and how often it was tried", async () => {
  const database = await createTestDatabase();
  const folder = await makeFolder([...THREE.slice(0, 2), { tag: "0002_bad", sql: "SELECT 1 / 0;" }]);
  const target = ["--migrations", folder, "--url", database.url];
  expect(await runCli(["migrate", ...target])).toMatchObject({ exitCode: 1 });
  const { runs } = documentOf(await runCli(["status", "--runs", "--json", ...target])) as {
    runs: readonly Record<string, unknown>[];
  };
  const user = new URL(database.url).username;
  expect(runs).toMatchObject([
    {
      tag: "0002_bad",
      direction: "up",
      outcome: "failed",
      error: expect.stringContaining("division by zero"),
      retries: 0,
      role: user,
    },
    { tag: "0001_author_born", direction: "up", outcome: "done", error: null, statements: 1 },
    { tag: "0000_author", direction: "up", outcome: "done", error: null, statements: 1 },
  ]);
  const shown = await runCli(["status", "--runs", "1", ...target]);
  expect(shown.stdout).toMatch(
    /0002_bad +up +failed: 0002_bad\.sql, statement 1 of 1, line 1 failed: division by zero/,
  );
  expect(shown.stdout).not.toContain("0001_author_born  up");
});

test("a run log of an older version gets the columns that it lacks, and keeps its rows", async () => {
  const database = await createTestDatabase();
  const input = { migrations: await makeFolder(THREE), url: database.url };
  await migrate({ ...input, to: "0000_author" });
  await database.sql.unsafe(
    `alter table ${RUNS} drop column script_hash, drop column begun, drop column indexes_before`,
  );
  const [, ...pending] = (await status(input)).migrations;
  expect(pending.map(({ state }) => state)).toEqual(["pending", "pending"]);
  await migrate(input);
  const rows = await database.sql.unsafe(
    `select tag, script_hash is not null as whole from ${RUNS} order by id`,
  );
  expect(rows).toEqual([
    { tag: "0000_author", whole: false },
    { tag: "0001_author_born", whole: true },
    { tag: "0002_book", whole: true },
  ]);
});

test("a row tells the machine, the process, the version, and how many statements the file has", async () => {
  const database = await createTestDatabase();
  const input = { migrations: await makeFolder(THREE), url: database.url };
  await migrate(input);
  const { runs } = await status({ ...input, runs: 2 });
  const who = { host: hostname(), pid: process.pid, version: VERSION };
  expect(runs).toMatchObject([
    { tag: "0002_book", statements: 2, ...who },
    { tag: "0001_author_born", statements: 1, ...who },
  ]);
});

test("a failure is kept also where it is the first of its run", async () => {
  const database = await createTestDatabase();
  const folder = await makeFolder([THREE[0], { tag: "0001_bad", sql: "SELECT 1 / 0;" }]);
  const input = { migrations: folder, url: database.url };
  await migrate({ ...input, to: "0000_author" });
  await failureOf(migrate(input));
  const { runs } = await status({ ...input, runs: 1 });
  expect(runs).toMatchObject([{ tag: "0001_bad", outcome: "failed" }]);
});

test.each([
  [
    "is kept by a role that may write it and not alter it",
    "",
    ["0000_author", "0001_author_born", "0002_book"],
    [],
  ],
  [
    "is left alone by a role that may not write it, which migrates and says so",
    `revoke insert on ${RUNS} from public`,
    ["0000_author"],
    [expect.stringContaining("may not write the run log")],
  ],
  [
    "of an older version is left alone by a role that may not alter it, which migrates and says so",
    `alter table ${RUNS} drop column script_hash`,
    ["0000_author"],
    [expect.stringContaining("may not write the run log")],
  ],
])("a run log %s", async (_, change, kept, warnings) => {
  const [database, role] = await Promise.all([createTestDatabase(), createTestRole()]);
  const migrations = await makeFolder(THREE);
  await migrate({ migrations, url: database.url, to: "0000_author" });
  const name = quoted(role.name);
  await database.sql.unsafe(`
    grant usage on schema drizzle to ${name}; grant all on all tables in schema drizzle to ${name};
    grant all on all sequences in schema drizzle to ${name}; alter table author owner to ${name};
    grant create on schema public to ${name}; ${change.replace("public", name)}`);
  const said: string[] = [];
  const on = (event: Event) => event.type === "warning" && said.push(event.message);
  await migrate({ migrations, url: role.urlOf(database), on });
  expect(said).toEqual(warnings);
  const rows = await database.sql.unsafe(`select tag from ${RUNS} order by id`);
  expect(rows.map(({ tag }) => tag)).toEqual(kept);
});

test.each([
  ["a view", `create view ${RUNS} as select 1 as id`],
  ["a foreign table", `create foreign table ${RUNS} (id int) server nowhere`],
])(
  "%s under the run log's name is told for what it is, and migrations run all the same",
  async (kind, sql) => {
    const database = await createTestDatabase();
    await database.sql.unsafe(`create schema drizzle;
    create foreign data wrapper none; create server nowhere foreign data wrapper none; ${sql}`);
    const said: string[] = [];
    const on = (event: Event) => event.type === "warning" && said.push(event.message);
    const { applied } = await migrate({ migrations: await makeFolder(THREE), url: database.url, on });
    expect(applied).toHaveLength(3);
    expect(said).toEqual([`${RUNS} is ${kind} and no run log: times and durations are not kept`]);
  },
);
