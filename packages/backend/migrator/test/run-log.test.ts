import { createTestDatabase } from "@repo/test-database";
import { expect, test } from "vitest";
import { migrate, status } from "../src/index.ts";
import { documentOf, runCli } from "./support/cli.ts";
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
