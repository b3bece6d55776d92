import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestDatabase, createTestRole } from "@repo/test-database";
import { describe, expect, inject, test } from "vitest";
import { migrate } from "../src/index.ts";
import { type CliOptions, documentOf, errorOf, runCli, startCli } from "./support/cli.ts";
import { BREAKPOINT, type MigrationFiles, makeFolder, writeMigrations } from "./support/folder.ts";
import { temporaryFolder } from "./support/temporary.ts";

const MAJOR = Math.floor(inject("testDatabase").versionNumber / 10_000);

const BASE: MigrationFiles = {
  tag: "0000_base",
  sql: `CREATE TABLE account (id int PRIMARY KEY, email text, store text);${BREAKPOINT}CREATE TABLE empty (id int);`,
  down: "DROP TABLE empty; DROP TABLE account;",
};

/** Fails on what `filled` puts into the tables. */
const REQUIRED: MigrationFiles = {
  tag: "0001_required",
  sql: `ALTER TABLE empty ADD COLUMN a int;${BREAKPOINT}\nALTER TABLE account ALTER COLUMN email SET NOT NULL;\n`,
  down: "ALTER TABLE account ALTER COLUMN email DROP NOT NULL; ALTER TABLE empty DROP COLUMN a;",
};

const HARMLESS: MigrationFiles = {
  tag: "0001_harmless",
  sql: "ALTER TABLE account ADD COLUMN note text;",
  down: "ALTER TABLE account DROP COLUMN note;",
};

const FILL = `insert into account select i, case when i > 2 then i || '@example.com' end, 'x' from generate_series(1, 1000) i`;

async function filled(...files: readonly MigrationFiles[]) {
  const database = await createTestDatabase();
  const folder = await makeFolder([BASE]);
  await migrate({ migrations: folder, url: database.url });
  await database.sql.unsafe(FILL);
  await writeMigrations(folder, [BASE, ...files]);
  const flags = ["--migrations", folder, "--url", database.url];
  const cli = (verb: string, more: readonly string[] = [], options: CliOptions = {}) =>
    runCli([verb, ...flags, ...more], options);
  return { ...database, folder, cli };
}

interface PlanDocument {
  readonly fingerprint: string;
  readonly migrations: readonly {
    readonly tag: string;
    readonly statements: readonly {
      readonly sql: string;
      readonly line: number;
      readonly locks: readonly Readonly<Record<string, unknown>>[];
      readonly preflight: readonly Readonly<Record<string, unknown>>[];
    }[];
  }[];
}

describe("migrator plan", () => {
  test("says in text what is locked, what fails on the data, and exits 1", async () => {
    const { cli } = await filled(REQUIRED);
    const { exitCode, stdout } = await cli("plan");
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^1 migration pending; database /);
    expect(stdout).toMatch(
      /^0001_required\.sql {2}locks 2 tables, at worst ACCESS EXCLUSIVE for an instant; goes through 1,000 rows;.*1 preflight failure$/m,
    );
    expect(stdout).toContain("ACCESS EXCLUSIVE on public.account for an instant: reads and writes wait");
    expect(stdout).toMatch(/fails +2 of 1,?000 rows have no email \(for example id = 1, id = 2\)/);
    expect(stdout).toMatch(/^1 preflight failure.*: not safe to run as it is \(--fail-on high\)$/m);
  });

  test("what it announces happens", async () => {
    const { cli } = await filled(REQUIRED);
    const { exitCode, stderr } = await cli("migrate");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("23502");
  });

  test("exits 0 where nothing stands against it, and --fail-on sets the bar", async () => {
    const { cli, sql } = await filled(REQUIRED);
    await sql`update account set email = 'x' where email is null`;
    expect((await cli("plan")).exitCode).toBe(0);
    expect((await cli("plan", ["--fail-on", "low"])).exitCode).toBe(1);
    expect((await cli("plan", ["--fail-on", "none"])).exitCode).toBe(0);
    expect(await cli("plan", ["--fail-on", "sometimes"])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("--fail-on takes one of low, medium, high, none"),
    });
  });

  test("--json gives the documented form", async () => {
    const { cli } = await filled(REQUIRED);
    const document = documentOf(await cli("plan", ["--json"])) as unknown as PlanDocument;
    expect(document.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    const [migration] = document.migrations;
    expect(migration?.tag).toBe("0001_required");
    const [first, second] = migration?.statements ?? [];
    expect(first?.locks).toMatchObject([
      { object: "public.empty", mode: "ACCESS EXCLUSIVE", since: 1, rewrites: false },
    ]);
    expect(second).toMatchObject({
      sql: "ALTER TABLE account ALTER COLUMN email SET NOT NULL;",
      line: 4,
      locks: [
        {
          object: "public.account",
          mode: "ACCESS EXCLUSIVE",
          since: 2,
          rewrites: false,
          scans: true,
          rows: 1000,
        },
        { object: "public.empty", since: 1, rows: 0 },
      ],
      preflight: [{ check: "not-null", outcome: "fails", count: 2, sampled: false }],
      weight: { duration: "instant", rows: 1000 },
    });
  });

  test("--github annotates the right file and line, --markdown and --sarif are whole documents", async () => {
    const { cli, folder } = await filled(REQUIRED);
    const { stdout } = await cli("plan", ["--github"]);
    expect(stdout).toMatch(
      /^::error file=[^,]*0001_required\.sql,line=4,title=preflight-not-null::2 of 1,?000 rows/m,
    );
    expect((await cli("plan", ["--markdown"])).stdout).toMatch(
      /^### Plan for database .*\n\n❌ .*\n\n\| migration \|/,
    );
    const sarif = JSON.parse((await cli("plan", ["--sarif"])).stdout);
    expect(sarif).toMatchObject({ version: "2.1.0", runs: [{ tool: { driver: { name: "migrator" } } }] });
    const places = sarif.runs[0].results.map((result: { ruleId: string; locations: unknown[] }) => result);
    expect(places).toContainEqual(
      expect.objectContaining({
        ruleId: "preflight-not-null",
        level: "error",
        locations: [
          {
            physicalLocation: {
              artifactLocation: {
                uri: expect.stringMatching(/0001_required\.sql$/),
                uriBaseId: "%SRCROOT%",
              },
              region: { startLine: 4 },
            },
          },
        ],
      }),
    );
    expect(await cli("plan", ["--sarif", "--json"])).toMatchObject({ exitCode: 2 });
    expect(folder).toBeTruthy();
  });

  test("--down plans a rollback: what it drops", async () => {
    const { cli } = await filled(HARMLESS);
    await cli("migrate");
    const { stdout, exitCode } = await cli("plan", ["--down", "--steps", "2", "--fail-on", "none"]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^2 migrations to roll back/);
    expect(stdout).toMatch(/^0000_base\.down\.sql .*loses data in 1 place/m);
    expect(stdout).toMatch(/loses +.*1,?000 rows/);
  });

  test("nothing pending is said, with exit 0 and no scratch database", async () => {
    const { cli } = await filled();
    expect(await cli("plan")).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^nothing pending; database /),
    });
  });

  test("a session that holds the table now is named", async () => {
    const { cli, sql } = await filled(HARMLESS);
    await sql.begin(async (transaction) => {
      await transaction`select * from account limit 1`;
      expect((await cli("plan")).stdout).toMatch(/now +in its way: pid \d+ /);
    });
  });

  test("a session that lets nobody else at the table is named, and not waited for", async () => {
    const { cli, sql } = await filled(HARMLESS);
    await sql.begin(async (transaction) => {
      await transaction`lock table account in access exclusive mode`;
      const { stdout, exitCode } = await cli("plan");
      expect(stdout).toMatch(/now +in its way: pid \d+ /);
      expect(exitCode).toBe(0);
    });
  });

  test("commands that no breakpoint divides are looked at one by one, each on its line", async () => {
    const sql =
      "ALTER TABLE empty ADD COLUMN a int;\nCREATE INDEX account_email ON account (email);\n-- and\nALTER TABLE account ALTER store SET NOT NULL;";
    const { cli } = await filled({ tag: "0001_whole", sql });
    const document = documentOf(await cli("plan", ["--json"])) as unknown as PlanDocument;
    const [migration] = document.migrations;
    expect(migration?.statements.map(({ line, locks }) => [line, locks[0]?.object, locks[0]?.since])).toEqual(
      [
        [1, "public.empty", 1],
        [2, "public.empty", 1],
        [4, "public.account", 3],
      ],
    );
  });

  test("a file that takes the schema public away is planned like any other", async () => {
    const { cli } = await filled({ tag: "0001_gone", sql: "DROP SCHEMA public CASCADE;" });
    const { stdout, stderr } = await cli("plan");
    expect(stdout).toMatch(/loses +.*1,?000 rows/);
    expect(stderr).not.toContain("defect");
  });

  test("flags that would do nothing are refused", async () => {
    const { cli } = await filled(HARMLESS);
    expect(await cli("plan", ["--steps", "2"])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("--steps"),
    });
    expect(await cli("plan", ["--down", "--out", "x"])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("--out"),
    });
  });

  test("a statement that the copy does not run fails the plan, and the database is untouched", async () => {
    const { cli, sql } = await filled({ tag: "0001_wrong", sql: "ALTER TABLE missing ADD a int;" });
    const { exitCode, stdout } = await cli("plan");
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/fails +.*relation "missing" does not exist \(42P01\)/);
    expect(await sql`select from drizzle.__drizzle_migrations`).toHaveLength(1);
  });

  test("errors of the plan stop it as they stop migrate", async () => {
    const { cli, folder } = await filled(HARMLESS);
    await writeFile(join(folder, "0000_base.sql"), "SELECT 1;");
    expect(await cli("plan")).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("edited") });
  });

  test("without a place for a copy it says so, and exits 2", async () => {
    const { cli, sql, url } = await filled(HARMLESS);
    const role = await createTestRole();
    await sql.unsafe(
      `grant usage on schema drizzle to ${role.name}; grant select on all tables in schema drizzle to ${role.name}`,
    );
    const target = Object.assign(new URL(url), { username: role.name, password: role.password });
    const result = await cli("plan", ["--url", target.href], { env: { NODE_ENV: "production" } });
    expect(result).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("SCRATCH_DATABASE_URL") });
    expect(result.stderr + result.stdout).not.toContain(role.password);
  });
});

describe("migrate --plan", () => {
  async function planned(...files: readonly MigrationFiles[]) {
    const project = await filled(...files);
    const file = join(await temporaryFolder(), "plan.json");
    expect((await project.cli("plan", ["--out", file, "--fail-on", "none"])).exitCode).toBe(0);
    return { ...project, file, run: (env = {}) => project.cli("migrate", ["--plan", file], { env }) };
  }

  test("runs exactly that, says the summary before and the measured time beside the plan's class after", async () => {
    const { run } = await planned(HARMLESS);
    const { exitCode, stdout, stderr } = await run();
    expect(exitCode).toBe(0);
    expect(stderr).toContain("0001_harmless: locks 1 table, at worst ACCESS EXCLUSIVE for an instant");
    expect(stdout).toMatch(
      /^0001_harmless {2}\d+ ms {2}\(locks held for at most that; the plan said for an instant\)$/m,
    );
  });

  test.each([
    ["a table", "alter table account add column b int", "column public.account.b was made"],
    ["the ledger", "delete from drizzle.__drizzle_migrations", "no longer in the ledger"],
  ])("refuses where %s has changed since, and names it", async (_, change, words) => {
    const { run, sql } = await planned(HARMLESS);
    await sql.unsafe(change);
    const { exitCode, stderr } = await run();
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/does not hold any more/);
    expect(stderr).toContain(words);
    expect(stderr).toContain("nothing was applied");
  });

  test("refuses where a file was edited, or another one is pending", async () => {
    const { run, folder } = await planned(HARMLESS);
    await writeMigrations(folder, [
      BASE,
      { tag: "0001_before", sql: "SELECT 3;" },
      { ...HARMLESS, sql: "SELECT 2;" },
    ]);
    const { exitCode, stderr } = await run();
    expect(exitCode).toBe(2);
    expect(stderr).toContain("0001_harmless.sql was edited");
    expect(stderr).toContain("0001_before.sql is pending now and is not in the plan");
  });

  test("a plan that goes to some migration runs to there, whatever comes after it", async () => {
    const { cli, folder, file } = await planned(HARMLESS);
    await writeMigrations(folder, [BASE, HARMLESS, { tag: "0002_more", sql: "SELECT 3;" }]);
    await cli("plan", ["--to", "0001_harmless", "--out", file]);
    const { exitCode, stdout } = await cli("migrate", ["--plan", file]);
    expect(stdout).toContain("1 left pending");
    expect(exitCode).toBe(0);
  });

  test("in production the data of today is asked, not that of the plan", async () => {
    const production = { NODE_ENV: "production" };
    const { sql, run } = await planned(REQUIRED);
    expect((await run(production)).stderr).toContain("preflight-failed");
    await sql`update account set email = 'x' where email is null`;
    expect((await run(production)).exitCode).toBe(0);
  });

  test("rows that come and go do not matter, nor does what the server keeps for itself", async () => {
    const { run, sql } = await planned(HARMLESS);
    await sql`delete from account where id > 10`;
    await sql.unsafe("vacuum analyze account");
    expect((await run()).exitCode).toBe(0);
  });

  test("refuses a file that somebody has changed, that is no plan, or is not there", async () => {
    const { run, file, cli } = await planned(HARMLESS);
    await writeFile(file, (await readFile(file, "utf8")).replace('"direction": "up"', '"direction": "down"'));
    expect(errorOf(await cli("migrate", ["--plan", file, "--json"]))).toMatchObject({
      code: "plan-unreadable",
    });
    await writeFile(file, "{}");
    expect((await run()).stderr).toContain("is no plan of this version");
    await writeFile(file, "not json");
    expect((await run()).stderr).toContain("is no JSON");
    expect((await cli("migrate", ["--plan", `${file}.missing`])).exitCode).toBe(2);
  });
});

describe("migrate in production", () => {
  const production = { env: { NODE_ENV: "production" } };

  test("refuses where the data does not fit, before anything is written", async () => {
    const { cli, sql } = await filled(REQUIRED);
    const { exitCode, stderr } = await cli("migrate", [], production);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/preflight-failed: .*does not fit 0001_required/);
    expect(stderr).toMatch(
      /0001_required\.sql, statement 2, line 4: 2 of 1,?000 rows have no email \(for example id = 1, id = 2\)/,
    );
    expect(stderr).toContain("nothing was applied");
    expect(
      await sql`select from information_schema.columns where table_name = 'empty' and column_name = 'a'`,
    ).toEqual([]);
  });

  test("--skip-preflight runs it all the same, and its reason is in the run log", async () => {
    const { cli, sql } = await filled(HARMLESS);
    expect((await cli("migrate", ["--skip-preflight", "ticket 1234"], production)).exitCode).toBe(0);
    const [run] = await sql`select error from drizzle.__drizzle_migrations_runs where tag = '0001_harmless'`;
    expect(run?.error).toBe("preflight skipped: ticket 1234");
    expect(await cli("migrate", ["--skip-preflight", " "], production)).toMatchObject({ exitCode: 2 });
  });

  test("the reason is kept where the run fails as well", async () => {
    const { cli, sql } = await filled(REQUIRED);
    expect((await cli("migrate", ["--skip-preflight", "I know"], production)).exitCode).toBe(1);
    const [run] = await sql`select error from drizzle.__drizzle_migrations_runs where outcome = 'failed'`;
    expect(run?.error).toMatch(/^preflight skipped: I know; .*23502/);
  });

  test("goes on with a warning where no copy can be made", async () => {
    const { cli, sql, url } = await filled(HARMLESS);
    const role = await createTestRole();
    await sql.unsafe(
      `grant all on schema drizzle, public to ${role.name}; grant all on all tables in schema drizzle to ${role.name};
       grant all on all sequences in schema drizzle to ${role.name}; alter table account owner to ${role.name}`,
    );
    const target = Object.assign(new URL(url), { username: role.name, password: role.password });
    const result = await cli("migrate", ["--url", target.href], production);
    expect(result.stderr).toContain("the data was not looked at before the run");
    expect(result.exitCode).toBe(0);
  });

  test("NODE_ENV from a .env file counts as well", async () => {
    const { cli } = await filled(REQUIRED);
    const cwd = await temporaryFolder();
    await writeFile(join(cwd, "pnpm-workspace.yaml"), "");
    await writeFile(join(cwd, ".env"), "NODE_ENV=production\n");
    expect(await cli("migrate", [], { cwd })).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("preflight-failed"),
    });
  });
});

test("Ctrl-C ends a plan in order: nothing is changed, and the copy is gone", async () => {
  const { sql, url, folder } = await filled({ tag: "0001_slow", sql: "SELECT pg_sleep(100);" });
  const running = await startCli(["plan", "--migrations", folder, "--url", url]);
  const copies = () =>
    sql`select pid from pg_stat_activity where datname like 'migrator_scratch_%' and query like '%pg_sleep(100)%'`;
  await expect.poll(async () => (await copies()).length, { timeout: 30_000 }).toBe(1);
  running.kill("SIGINT");
  const { exitCode, stderr } = await running.done;
  expect(exitCode).toBe(2);
  expect(stderr).toContain("the plan was interrupted");
  expect(await copies()).toEqual([]);
});

describe("what a plan says is what happens", () => {
  test.each([
    [
      "a value that is added to an enum made in the same transaction may be used at once, from 17 on",
      [
        "CREATE TYPE q AS ENUM ('a');",
        "ALTER TYPE q ADD VALUE 'b';",
        "ALTER TABLE account ADD COLUMN q q DEFAULT 'b';",
      ],
      MAJOR < 17 ? { says: "55P04", fails: "55P04" } : { says: "locks 1 table", fails: undefined },
    ],
    [
      "a DO block that writes no rows leaves what is known of them as it is",
      [
        "DO $$ BEGIN CREATE TYPE q AS ENUM ('a'); EXCEPTION WHEN duplicate_object THEN null; END $$;",
        "ALTER TABLE account ALTER COLUMN email SET NOT NULL;",
      ],
      { says: "2 of 1,000 rows have no email", fails: "23502" },
    ],
    [
      "a default that is none fails on every database",
      ["ALTER TABLE empty ALTER COLUMN id SET DEFAULT 'garbage';"],
      { says: "22P02", fails: "22P02" },
    ],
    [
      "so does a value that is written out",
      ["INSERT INTO account (id) VALUES ('x');"],
      { says: "22P02", fails: "22P02" },
    ],
    [
      "columns that change places are told, though each name is there afterwards",
      [
        "ALTER TABLE account RENAME email TO q;",
        "ALTER TABLE account RENAME store TO email;",
        "ALTER TABLE account RENAME q TO store;",
      ],
      { says: "renamed-column", fails: undefined },
    ],
    [
      "the safer form of a type change keeps what USING says",
      ["ALTER TABLE account ALTER COLUMN store TYPE int USING length(store);"],
      { says: '"store_new" = (length(store))::integer', fails: undefined },
    ],
    [
      "what is asked of a table that the plan makes and fills depends on that",
      [
        "CREATE TABLE copied AS SELECT id, email FROM account;",
        "ALTER TABLE copied ALTER email SET NOT NULL;",
      ],
      { says: "depends   there are no rows to look at now; 0001_x.sql, statement 1, writes", fails: "23502" },
    ],
    [
      "also where it is filled by an INSERT",
      [
        "CREATE TABLE copied (id int, store text);",
        "INSERT INTO copied SELECT id, store FROM account;",
        "CREATE UNIQUE INDEX ON copied (store);",
      ],
      { says: "depends   there are no rows to look at now; 0001_x.sql, statement 2, writes", fails: "23505" },
    ],
    [
      "an UPDATE of all rows is told",
      ["UPDATE account SET store = 'y';"],
      { says: "all-rows-written", fails: undefined },
    ],
  ])("%s", async (_, statements, { says, fails }) => {
    const { cli } = await filled({ tag: "0001_x", sql: statements.join(BREAKPOINT) });
    const { stdout } = await cli("plan");
    expect(stdout).toContain(says);
    expect(/^ +(fails|depends) /m.test(stdout)).toBe(fails !== undefined);
    const run = await cli("migrate");
    expect(run.exitCode).toBe(fails === undefined ? 0 : 1);
    expect(run.stderr).toContain(fails ?? "");
  });

  test.each([
    [
      "a table is gone",
      "DROP TABLE empty",
      "ALTER TABLE empty ADD COLUMN x int;",
      "empty is not there",
      "42P01",
    ],
    ["a table is there", "CREATE TABLE x (n int)", "CREATE TABLE x (n int);", "x is there already", "42P07"],
    [
      "an index is there",
      "CREATE INDEX x ON account (id)",
      "CREATE INDEX x ON account (email);",
      "x is there already",
      "42P07",
    ],
    [
      "a column is there",
      "ALTER TABLE account ADD x int",
      "ALTER TABLE account ADD COLUMN x int;",
      "account.x is there already",
      "42701",
    ],
    [
      "a column is gone",
      "ALTER TABLE account DROP store",
      "ALTER TABLE account ALTER store TYPE varchar(9);",
      "account.store is not there",
      "42703",
    ],
  ])("somebody has changed the database by hand: %s", async (_, byHand, sql, says, code) => {
    const { cli, sql: target } = await filled({ tag: "0001_x", sql });
    await target.unsafe(byHand);
    const { stdout, exitCode } = await cli("plan");
    expect(exitCode).toBe(1);
    expect(stdout).toContain(`${says}: the database is not what its migrations say`);
    expect((await cli("migrate")).stderr).toContain(code);
  });

  test("a file that cannot be run is refused with the words of migrate", async () => {
    const { cli } = await filled({ tag: "0001_x", sql: "ROLLBACK;" });
    const { stderr } = await cli("plan");
    expect(stderr).toContain("error forbidden-statement: 0001_x.sql, statement 1 of 1");
  });

  test.each([
    ["a role, in a block", (name: string) => `DO $$ BEGIN CREATE ROLE ${name}; END $$;`],
    [
      "a setting of a database, in a block",
      (name: string) => `DO $$ BEGIN EXECUTE 'ALTER DATABASE ${name} SET work_mem = ''7MB'''; END $$;`,
    ],
    [
      "other sessions",
      () =>
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bystander' AND datname = current_database();",
    ],
    ["the server's files", (name: string) => `COPY account TO '/tmp/${name}';`],
    ["a program", (name: string) => `COPY account TO PROGRAM 'touch /tmp/${name}';`],
  ])("leaves alone what lies beyond the database: %s", async (_, sqlFor) => {
    const { cli, name, sql, folder } = await filled();
    await writeMigrations(folder, [BASE, { tag: "0001_x", sql: sqlFor(name) }]);
    const { stdout } = await cli("plan");
    expect(stdout).toContain("it reaches beyond its database");
    expect(await sql`select from pg_roles where rolname = ${name}`).toEqual([]);
    expect(await sql`select from pg_db_role_setting where setconfig::text like '%7MB%'`).toEqual([]);
    expect(existsSync(`/tmp/${name}`)).toBe(false);
  });
});

describe("migrate --plan-first", () => {
  test("makes a plan outside of production, too, and tells it", async () => {
    const { cli } = await filled(HARMLESS);
    const { exitCode, stdout, stderr } = await cli("migrate", ["--plan-first"]);
    expect(exitCode).toBe(0);
    expect(stderr).toContain("0001_harmless: locks 1 table, at worst ACCESS EXCLUSIVE for an instant");
    expect(stdout).toMatch(/^0001_harmless {2}\d+ ms {2}\(locks held for at most that; .*\)$/m);
    expect((await cli("migrate", ["--plan-first"])).stdout).toMatch(/^nothing to apply/);
  });

  test("refuses where the data does not fit, as `planFirst` of the config does; without either, the server does", async () => {
    const { cli, sql } = await filled(REQUIRED);
    const config = join(await temporaryFolder(), "migrator.config.mjs");
    await writeFile(config, "export default { planFirst: true };");
    for (const flags of [["--plan-first"], ["--config", config]]) {
      const { exitCode, stderr } = await cli("migrate", flags);
      expect(exitCode).toBe(2);
      expect(stderr).toMatch(/preflight-failed: the data in \S+ does not fit 0001_required/);
    }
    expect(await sql`select from drizzle.__drizzle_migrations_runs where outcome = 'failed'`).toEqual([]);
    const { exitCode, stderr } = await cli("migrate");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("23502");
  });

  test("says nothing of locks for what keeps nobody out", async () => {
    const { cli } = await filled({ tag: "0001_new", sql: "CREATE TABLE fresh (id int);" });
    const { stdout, stderr } = await cli("migrate", ["--plan-first"]);
    expect(stderr).toContain("0001_new: keeps nobody out; no hazards");
    expect(stdout).toMatch(/^0001_new {2}\d+ ms$/m);
  });
});
