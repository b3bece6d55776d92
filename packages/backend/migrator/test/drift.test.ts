import { createTestDatabase, createTestRole, type TestDatabase } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { readSettings, type SettingsInput } from "../src/config.ts";
import { DIFFERENCE_KINDS } from "../src/difference-kinds.ts";
import { migrate } from "../src/index.ts";
import { checkDrift } from "../src/verify/drift.ts";
import { CHANGES } from "./support/catalog-changes.ts";
import { documentOf, runCli, startCli } from "./support/cli.ts";
import { failureOf } from "./support/database.ts";
import { BREAKPOINT, type MigrationFiles, makeFolder, THREE, writeMigrations } from "./support/folder.ts";
import { makeProject } from "./support/project.ts";

const [one, two, three] = THREE;

async function prepare(files: readonly MigrationFiles[] = THREE, input: Partial<SettingsInput> = {}) {
  const database = await createTestDatabase();
  const folder = await makeFolder(files);
  const settings = { migrations: folder, url: database.url, ...input };
  await migrate(settings);
  return { database, folder, settings, check: async () => checkDrift(await readSettings(settings)) };
}

async function scratchCount({ sql }: TestDatabase, of: number): Promise<number> {
  const rows =
    await sql`select from pg_database where datname like 'migrator_scratch_%' and datname like ${`%_${of}_%`}`;
  return rows.length;
}

describe("a database that nobody has touched", () => {
  test("has no drift, and pending migrations do not count", async () => {
    const { folder, check } = await prepare();
    await writeMigrations(folder, [...THREE, { tag: "0003_more", sql: "CREATE TABLE more ();" }]);
    const result = await check();
    expect(result).toMatchObject({ drift: [], ignored: [], applied: 3, appliedTo: three.tag, problems: [] });
  });

  test("has none without any migration applied", async () => {
    const database = await createTestDatabase();
    const settings = await readSettings({ migrations: await makeFolder(THREE), url: database.url });
    expect(await checkDrift(settings)).toMatchObject({ drift: [], applied: 0, appliedTo: null });
  });

  test("has none where a late merge was applied out of order", async () => {
    const { folder, settings, check } = await prepare([one, three]);
    await writeMigrations(folder, [one, two, three]);
    await migrate({ ...settings, allowOutOfOrder: true });
    expect(await check()).toMatchObject({ drift: [], applied: 3, appliedTo: three.tag });
  });

  test("has none with parts that run in no transaction, and with roles and settings of the server", async () => {
    const role = await createTestRole();
    const file = {
      tag: "0003_parts",
      sql: [
        "CREATE INDEX CONCURRENTLY author_name ON author (name);",
        `COMMENT ON ROLE ${role.name} IS 'a role of the server';`,
        `ALTER TABLE author ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON author TO ${role.name} USING (true);`,
      ].join(BREAKPOINT),
    };
    const { check, database } = await prepare([...THREE, file]);
    expect((await check()).drift).toEqual([]);
    await database.sql`drop policy p on author`;
  });

  test("has none where a role that the migrations made is gone again, and leaves no stand-in for it", async () => {
    const { check, database } = await prepare([
      ...THREE,
      { tag: "0003_role", sql: "CREATE ROLE drift_reader; GRANT SELECT ON author TO drift_reader;" },
      { tag: "0004_no_role", sql: "REVOKE SELECT ON author FROM drift_reader; DROP ROLE drift_reader;" },
    ]);
    expect((await check()).drift).toEqual([]);
    expect(await database.sql`select from pg_roles where rolname = 'drift_reader'`).toHaveLength(0);
  });

  test("shows none while migrations run at the same time", async () => {
    const files = Array.from({ length: 30 }, (_, n) => ({
      tag: `${String(n + 3).padStart(4, "0")}_t${n}`,
      sql: `CREATE TABLE t${n} (n int);${BREAKPOINT}SELECT pg_sleep(0.02);`,
    }));
    const { folder, settings, check } = await prepare();
    await writeMigrations(folder, [...THREE, ...files]);
    const run = migrate(settings);
    const found = [await check(), await check()];
    await run;
    expect(found.flatMap(({ drift }) => drift)).toEqual([]);
  });
});

describe("a change made behind the migrations' back", () => {
  test("is drift, exit 1, told by object with the remedy, which puts it right", async () => {
    const { database, folder } = await prepare();
    await database.sql`alter table author alter column name drop not null`;
    await database.sql`drop index book_author`;
    const args = ["check", "--migrations", folder, "--url", database.url];
    const result = await runCli([...args, "--github"]);
    expect(result.exitCode).toBe(1);
    expect(result.stdout).toContain("column `author.name` ");
    expect(result.stdout).toContain("CREATE INDEX CONCURRENTLY");
    expect(result.stdout).toContain("2 differences: ");
    expect(result.stdout).toMatch(/^::error title=drift%3A author\.name::column/m);
    const document = documentOf(await runCli([...args, "--json"])) as {
      drift: { object: string; remedy: { sql: string[] } }[];
    };
    expect(document).toMatchObject({
      database: expect.any(String),
      server: expect.stringContaining("PostgreSQL"),
      checkedAt: expect.stringMatching(/Z$/),
      appliedTo: three.tag,
      problems: [],
    });
    for (const { remedy } of document.drift) for (const sql of remedy.sql) await database.sql.unsafe(sql);
    const clean = await runCli(args);
    expect(clean).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("no drift: database ") });
  });

  test("that the config ignores does not count, and is told with its reason", async () => {
    const { database, folder } = await prepare();
    await database.sql`create schema audit create table event (n int)`;
    await database.sql`alter table author add column extra int`;
    const ignore = [
      { object: "audit.*", reason: "the auditor's own" },
      { object: "author.*", kind: "index", reason: "never met" },
    ];
    const project = await makeProject({
      "migrator.config.js": `export default ${JSON.stringify({ migrations: folder, ignore })};`,
    });
    const result = await runCli(["check", "--url", database.url], { cwd: project });
    expect(result).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("(the auditor's own)") });
    expect(result.stdout).toMatch(/^1 difference: /m);
    expect(result.stdout).toContain("`author.extra`");
  });

  test("has only kinds that the config may name, and another is refused with a list of them", async () => {
    const named = CHANGES.flatMap(({ finds }) => finds.map((find) => find.replace(/^\w+ /, "")));
    expect(named.filter((one) => !DIFFERENCE_KINDS.some((kind) => one.startsWith(`${kind} `)))).toEqual([]);
    const project = await makeProject({
      "migrator.config.js": `export default { migrations: ".", ignore: [{ object: "a", kind: "tabel", reason: "x" }] };`,
    });
    const refused = await runCli(["check"], { cwd: project });
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain("migrator.config.js cannot be used");
    expect(refused.stderr).toMatch(/"table".*\n.*ignore\[0\]\.kind/);
  });

  test("to privileges counts only where asked for", async () => {
    const role = await createTestRole();
    const { database, folder } = await prepare();
    await database.sql.unsafe(`grant select on author to ${role.name}`);
    const args = ["check", "--migrations", folder, "--url", database.url];
    expect(await runCli(args)).toMatchObject({ exitCode: 0 });
    expect(await runCli([...args, "--privileges"])).toMatchObject({ exitCode: 1 });
  });
});

describe("what cannot be checked ends with exit 2", () => {
  test.each<[string, (place: Awaited<ReturnType<typeof prepare>>) => Promise<unknown>, RegExp]>([
    [
      "an applied file was edited",
      ({ folder }) => writeMigrations(folder, [one, { ...two, sql: "SELECT 1;" }, three]),
      /0001_author_born: edited/,
    ],
    ["an applied file is gone", ({ folder }) => writeMigrations(folder, [one, two]), /no file has it/],
    [
      "a run was cut",
      ({ database }) =>
        database.sql`update drizzle.__drizzle_migrations_runs set outcome = 'partial', completed = 1, tag = '0009_cut' where id = 1`,
      /0009_cut is under way or was cut/,
    ],
  ])("where %s", async (_, change, words) => {
    const place = await prepare(THREE, { limits: { lockWait: "100ms" } });
    await change(place);
    const error = await failureOf(place.check());
    expect(error).toMatchObject({ code: "cannot-check", exitCode: 2, state: "nothing was changed" });
    expect([error.message, ...error.details].join("\n")).toMatch(words);
  });

  test("where the migrations do not run on an empty database", async () => {
    const database = await createTestDatabase();
    await database.sql`create table old (n int)`;
    const file = { tag: "0000_old", sql: "ALTER TABLE old ADD COLUMN m int;" };
    const settings = { migrations: await makeFolder([file]), url: database.url };
    await migrate(settings);
    const error = await failureOf(checkDrift(await readSettings(settings)));
    expect(error).toMatchObject({ code: "cannot-check", exitCode: 2 });
    expect(error.message).toContain("0000_old.sql, statement 1 of 1");
  });
});

describe("a failure of any kind is no drift: exit 2", () => {
  test.each<[string, string, string, Record<string, string>]>([
    ["an unreachable server", "check", "postgres://x@127.0.0.1:1/x", {}],
    ["an unreachable server", "prove", "postgres://x@127.0.0.1:1/x", {}],
    [
      "an unreachable server for scratch databases",
      "prove",
      "",
      { SCRATCH_DATABASE_URL: "postgres://x@127.0.0.1:1/x" },
    ],
    [
      "an unreachable server for scratch databases",
      "downs",
      "",
      { SCRATCH_DATABASE_URL: "postgres://x@127.0.0.1:1/x" },
    ],
    ["a missing database", "check", "missing", {}],
  ])("%s, in %s", async (_, verb, given, env) => {
    const { url } = await createTestDatabase();
    const target =
      given === "missing" ? Object.assign(new URL(url), { pathname: "/no_such_database" }).href : given;
    const files = THREE.map(({ tag, sql }) => ({ tag, sql }));
    const args = [verb, "--migrations", await makeFolder(files), ...(target === "" ? [] : ["--url", target])];
    expect(await runCli(args, { env })).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("error "),
    });
  });
});

describe("the scratch database", () => {
  test("stands on the server of SCRATCH_DATABASE_URL where the role may make none", async () => {
    const role = await createTestRole();
    const { database, folder } = await prepare();
    await database.sql.unsafe(`grant usage on schema drizzle to ${role.name};
      grant select on all tables in schema drizzle to ${role.name}`);
    const args = ["check", "--migrations", folder, "--url", role.urlOf(database)];
    const refused = await runCli(args, { env: { NODE_ENV: "production" } });
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("SCRATCH_DATABASE_URL") });
    const checked = await runCli(args, {
      env: { NODE_ENV: "production", SCRATCH_DATABASE_URL: database.url },
    });
    expect(checked).toMatchObject({ exitCode: 0 });
  });

  test("is gone after Ctrl-C", async () => {
    const { database, folder } = await prepare([one]);
    await writeMigrations(folder, [
      one,
      { tag: "0001_slow", sql: "SELECT pg_sleep(20) WHERE current_database() LIKE 'migrator%';" },
    ]);
    await migrate({ migrations: folder, url: database.url });
    const cli = await startCli(["check", "--migrations", folder, "--url", database.url]);
    const [row] = await waitFor(
      () =>
        database.sql<
          { name: string }[]
        >`select datname as name from pg_stat_activity where query like '%pg_sleep(20)%' and datname like 'migrator_scratch_%' and pid <> pg_backend_pid()`,
    );
    cli.kill("SIGINT");
    expect(await cli.done).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining(
        "error interrupted: the check was interrupted\nstate: nothing was changed; the scratch databases are removed\nfix: run again\n",
      ),
    });
    const pid = Number(row?.name.split("_")[2]);
    expect(await scratchCount(database, pid)).toBe(0);
  });
});

async function waitFor<T>(look: () => Promise<readonly T[]>): Promise<readonly T[]> {
  for (;;) {
    const found = await look();
    if (found.length > 0) return found;
    await new Promise((go) => setTimeout(go, 20));
  }
}

describe("baseline", () => {
  test("refuses a database that is not what the migrations make, and takes one that is", async () => {
    const { database, folder } = await prepare();
    await database.sql`drop schema drizzle cascade`;
    await database.sql`alter table author add column extra int`;
    const args = ["baseline", "--migrations", folder, "--url", database.url];
    const refused = await runCli(args);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain(
      "column `author.extra` is not in the migrations\n    -- loses data\n    ALTER TABLE",
    );
    expect(refused.stderr).toContain("state: nothing was written");
    expect(await database.sql`select to_regclass('drizzle.__drizzle_migrations') as t`).toEqual([
      { t: null },
    ]);
    await database.sql`alter table author drop column extra`;
    expect(await runCli(args)).toMatchObject({ exitCode: 0, stdout: expect.stringContaining(three.tag) });
  });
});

describe("baseline to too early a migration", () => {
  test("does not say how to drop what later ones made", async () => {
    const { database, folder } = await prepare();
    await database.sql`drop schema drizzle cascade`;
    await database.sql`alter table author add column extra int`;
    const args = ["baseline", "--migrations", folder, "--url", database.url, "--to", two.tag];
    const { exitCode, stderr } = await runCli(args);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(
      "table `book` is not in the migrations; a later migration of the folder makes it so\n",
    );
    expect(stderr).not.toContain("DROP TABLE");
    expect(stderr).toContain('DROP COLUMN "extra"');
  });
});

describe("after a rollback", () => {
  test("the database is compared with what the remaining migrations say", async () => {
    const { database, folder } = await prepare([one, two, { ...three, down: "DROP INDEX book_author;" }]);
    const args = ["rollback", "--migrations", folder, "--url", database.url];
    const incomplete = await runCli(args);
    expect(incomplete.exitCode).toBe(0);
    expect(incomplete.stdout).toContain("is not what the remaining migrations say");
    expect(incomplete.stdout).toContain("table `book` is not in the migrations");
    await database.sql`drop table book`;
    const whole = await runCli([...args, "--json"]);
    expect(documentOf(whole)).toMatchObject({ rolledBack: [{ tag: two.tag }], check: { drift: [] } });
  });
});
