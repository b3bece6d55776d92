import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestDatabase, createTestRole, type TestDatabase } from "@repo/test-database";
import { drizzle } from "drizzle-orm/postgres-js";
import { migrate as drizzleMigrate } from "drizzle-orm/postgres-js/migrator";
import postgres from "postgres";
import { describe, expect, test } from "vitest";
import { runTransaction } from "../src/apply/execute.ts";
import { readSettings } from "../src/config.ts";
import { withUrl } from "../src/database/connect.ts";
import { lockKey, withLock } from "../src/database/lock.ts";
import { SILENT } from "../src/events.ts";
import { type Event, migrate, status } from "../src/index.ts";
import { documentOf, runCli, startCli } from "./support/cli.ts";
import {
  exists,
  failureOf,
  quoted,
  readCatalog,
  readEverything,
  readLedgerRows,
  readSchemas,
  readTables,
} from "./support/database.ts";
import {
  BREAKPOINT,
  FIRST_WHEN,
  hashOf,
  type MigrationFiles,
  makeFolder,
  THREE,
  tagsOf,
  writeMigrations,
} from "./support/folder.ts";
import { untilRuns } from "./support/sessions.ts";
import { titled } from "./support/titled.ts";

const LEDGER = "drizzle.__drizzle_migrations";
const RUNS = "drizzle.__drizzle_migrations_runs";

/** With a client of its own, because drizzle-orm changes how its client reads values. */
async function applyWithDrizzle(database: TestDatabase, folder: string): Promise<void> {
  const client = postgres(database.url, { max: 1, onnotice: () => {} });
  try {
    await drizzleMigrate(drizzle(client), { migrationsFolder: folder });
  } finally {
    await client.end();
  }
}

/** Runs `migrate` and gives back what it told meanwhile. */
async function eventsOf(input: Parameters<typeof migrate>[0]): Promise<readonly Event[]> {
  const events: Event[] = [];
  await migrate({ ...input, on: (event) => events.push(event) });
  return events;
}

describe("the ledger", () => {
  test("holds for each file the sha256 of its text and the journal's date, in journal order", async () => {
    const database = await createTestDatabase();
    const files = [
      { tag: "0000_plain", sql: "SELECT 1;\n", when: 1_600_000_000_123 },
      { tag: "0001_windows", sql: "SELECT 1;\r\n--> statement-breakpoint\r\nSELECT 2;\r\n" },
      { tag: "0002_mark", sql: "\uFEFFSELECT 1;" },
      { tag: "0003_letters", sql: "-- äöü € 🧱\nSELECT 'ß';" },
      { tag: "0004_empty", sql: "" },
      { tag: "0005_comment", sql: "-- nothing but a comment\n" },
    ];
    const folder = await makeFolder(files);
    const { applied } = await migrate({ migrations: folder, url: database.url });
    expect(applied.map(({ tag }) => tag)).toEqual(tagsOf(files));
    expect(await readLedgerRows(database.sql)).toEqual(
      files.map(({ sql, when }, index) => ({
        id: index + 1,
        hash: hashOf(sql),
        created_at: String(when ?? FIRST_WHEN + index * 1000),
      })),
    );
  });

  test("is row for row and column for column what drizzle-orm makes of the same folder", async () => {
    const [ours, theirs] = await Promise.all([createTestDatabase(), createTestDatabase()]);
    const folder = await makeFolder([...THREE, { tag: "0003_windows", sql: "SELECT 1;\r\n" }]);
    await Promise.all([migrate({ migrations: folder, url: ours.url }), applyWithDrizzle(theirs, folder)]);
    expect(await readLedgerRows(ours.sql)).toEqual(await readLedgerRows(theirs.sql));
    const definition = async ({ sql }: TestDatabase) => [
      ...(await sql.unsafe(`select attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)
        from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
        where attrelid = '${LEDGER}'::regclass and attnum > 0 order by attnum`)),
      ...(await sql.unsafe(
        `select conname, pg_get_constraintdef(oid) from pg_constraint where conrelid = '${LEDGER}'::regclass order by 1`,
      )),
    ];
    expect(await definition(ours)).toEqual(await definition(theirs));
    expect(await readCatalog(ours.sql)).toEqual(await readCatalog(theirs.sql));
  });

  test("is understood by drizzle-orm, which then finds nothing to do", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder(THREE);
    await migrate({ migrations: folder, url: database.url });
    const before = await readEverything(database.sql);
    await applyWithDrizzle(database, folder);
    expect(await readEverything(database.sql)).toEqual(before);
  });

  test("of drizzle-orm is understood: nothing to do, and status knows no time of application", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder(THREE);
    await applyWithDrizzle(database, folder);
    const before = await readEverything(database.sql);
    const result = await migrate({ migrations: folder, url: database.url });
    expect(result).toMatchObject({ applied: [], alreadyApplied: 3, problems: [] });
    expect(await readEverything(database.sql)).toEqual(before);
    const { migrations } = await status({ migrations: folder, url: database.url });
    expect(migrations).toEqual(
      THREE.map(({ tag, sql }) => ({
        tag,
        hash: hashOf(sql ?? ""),
        state: "applied",
        appliedAt: null,
        durationMs: null,
      })),
    );
  });

  test("of drizzle-orm is continued, and drizzle-orm continues ours", async () => {
    const database = await createTestDatabase();
    const [one, two, three] = THREE;
    const folder = await makeFolder([one]);
    await applyWithDrizzle(database, folder);
    await writeMigrations(folder, [one, two]);
    expect((await migrate({ migrations: folder, url: database.url })).applied).toMatchObject([
      { tag: two.tag },
    ]);
    await writeMigrations(folder, [one, two, three]);
    await applyWithDrizzle(database, folder);
    expect((await readLedgerRows(database.sql))?.map(({ hash }) => hash)).toEqual(
      THREE.map(({ sql }) => hashOf(sql ?? "")),
    );
    expect(await readTables(database.sql)).toEqual(["author", "book"]);
  });

  test("that Drizzle v1 has converted is refused, and nothing is written", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder(THREE);
    await migrate({ migrations: folder, url: database.url, to: THREE[0].tag });
    await database.sql.unsafe(
      `alter table ${LEDGER} add column name text, add column applied_at timestamptz`,
    );
    const before = await readEverything(database.sql);
    const error = await failureOf(migrate({ migrations: folder, url: database.url }));
    expect(error).toMatchObject({ code: "v1-ledger", exitCode: 2 });
    expect(await readEverything(database.sql)).toEqual(before);
  });

  test("under another name shares nothing with the usual one", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder(THREE);
    const args = ["--migrations", folder, "--url", database.url];
    const other = ["--ledger-schema", 'Other "one"', "--ledger-table", "done"];
    expect(await runCli(["migrate", ...args, ...other])).toMatchObject({ exitCode: 0 });
    expect(await readSchemas(database.sql)).toEqual(['Other "one"', "public"]);
    expect(await readLedgerRows(database.sql, '"Other ""one""".done')).toHaveLength(3);
    expect(await exists(database.sql, '"Other ""one""".done_runs')).toBe(true);
  });
});

describe("transactions", () => {
  test("each migration has one of its own, and its ledger row is in it", async () => {
    const database = await createTestDatabase();
    const note = "INSERT INTO seen SELECT txid_current();";
    const folder = await makeFolder([
      { tag: "0000_seen", sql: `CREATE TABLE seen (txid bigint);${BREAKPOINT}${note}${BREAKPOINT}${note}` },
      { tag: "0001_again", sql: `${note}${BREAKPOINT}${note}` },
      { tag: "0002_again", sql: note },
    ]);
    await migrate({ migrations: folder, url: database.url });
    const seen = await database.sql<
      { txid: string; xmin: string }[]
    >`select txid, xmin from seen order by txid`;
    const ids = seen.map(({ txid }) => txid);
    expect(new Set(ids).size).toBe(3);
    expect(ids).toEqual([ids[0], ids[0], ids[2], ids[2], ids[4]]);
    const ledger = await database.sql.unsafe<{ xmin: string }[]>(`select xmin from ${LEDGER} order by id`);
    expect(ledger.map(({ xmin }) => xmin)).toEqual([ids[0], ids[2], ids[4]]);
    const runs = await database.sql.unsafe<{ xmin: string }[]>(`select xmin from ${RUNS} order by id`);
    expect(runs.map(({ xmin }) => xmin)).toEqual([ids[0], ids[2], ids[4]]);
  });

  test("a failing third of five leaves exactly two, and a run after mending finishes", async () => {
    const database = await createTestDatabase();
    const files = ["a", "b", "c", "d", "e"].map((name, index) => ({
      tag: `000${index}_${name}`,
      sql: `CREATE TABLE ${name} ();${BREAKPOINT}CREATE TYPE ${name}_kind AS ENUM ('x');`,
    }));
    const bad = { tag: "0002_c", sql: `${files[2]?.sql}${BREAKPOINT}SELECT 1 / 0;` };
    const broken = files.map((file, index) => (index === 2 ? bad : file));
    const folder = await makeFolder(broken);
    const error = await failureOf(migrate({ migrations: folder, url: database.url }));
    expect(error).toMatchObject({
      code: "statement-failed",
      message: "0002_c.sql, statement 3 of 3, line 5 failed",
      state: "0000_a, 0001_b were applied; 0002_c was undone whole and is still pending",
    });
    expect(await readTables(database.sql)).toEqual(["a", "b"]);
    expect((await readCatalog(database.sql)).filter((line) => line.includes("c_kind"))).toEqual([]);
    expect((await readLedgerRows(database.sql))?.map(({ hash }) => hash)).toEqual(
      files.slice(0, 2).map(({ sql }) => hashOf(sql)),
    );

    await writeMigrations(folder, files);
    const { applied, alreadyApplied } = await migrate({ migrations: folder, url: database.url });
    expect(applied.map(({ tag }) => tag)).toEqual(tagsOf(files.slice(2)));
    expect(alreadyApplied).toBe(2);
    expect(await readTables(database.sql)).toEqual(["a", "b", "c", "d", "e"]);
    const runs = await database.sql.unsafe(`select tag, outcome, error from ${RUNS} order by id`);
    expect(runs).toEqual([
      { tag: "0000_a", outcome: "done", error: null },
      { tag: "0001_b", outcome: "done", error: null },
      { tag: "0002_c", outcome: "failed", error: expect.stringContaining("0002_c.sql") },
      ...["0002_c", "0003_d", "0004_e"].map((tag) => ({ tag, outcome: "done", error: null })),
    ]);
  });

  test("a role and a timeout that a file sets do not stop its own recording", async () => {
    const [database, other] = await Promise.all([createTestDatabase(), createTestRole()]);
    const sql = `SET statement_timeout = '50ms'; SET ROLE ${quoted(other.name)};`;
    const folder = await makeFolder([{ tag: "0000_role", sql }]);
    await migrate({ migrations: folder, url: database.url });
    expect(await readLedgerRows(database.sql)).toHaveLength(1);
  });

  test.each(
    titled([
      { title: "search_path", sql: "SET search_path = '';" },
      { title: "a local name", sql: "SELECT set_config('search_path', 'pg_catalog', false);" },
      { title: "escapes", sql: "SET standard_conforming_strings = off;" },
      { title: "statement_timeout", sql: "SET statement_timeout = '50ms';" },
      { title: "the role", sql: "SET ROLE other_role;" },
      { title: "the user", sql: "SET SESSION AUTHORIZATION other_role;" },
      { title: "read only by default", sql: "SET default_transaction_read_only = on;" },
    ]),
  )("a setting that one file makes for its session does not reach the next: %s", async (_, { sql }) => {
    const [database, other] = await Promise.all([createTestDatabase(), createTestRole()]);
    const role = quoted(other.name);
    // What the other role needs so that the migration that sets it can be recorded at all.
    await database.sql.unsafe(`
      create schema drizzle;
      grant usage, create on schema drizzle to ${role};
      grant create on schema public to ${role};
      alter default privileges grant all on tables to ${role};
      alter default privileges grant all on sequences to ${role};`);
    const folder = await makeFolder([
      { tag: "0000_setting", sql: sql.replace("other_role", role) },
      { tag: "0001_table", sql: "CREATE TABLE plain (path text DEFAULT 'a\\b');\nSELECT pg_sleep(0.1);" },
    ]);
    await migrate({ migrations: folder, url: database.url });
    const [row] = await database.sql`
      select relowner::regrole::text = current_user as mine, pg_get_expr(adbin, adrelid) as value
      from pg_class join pg_attrdef on adrelid = pg_class.oid where pg_class.oid = to_regclass('public.plain')`;
    expect(row).toEqual({ mine: true, value: "'a\\b'::text" });
  });

  test.each(
    titled([
      { title: "in the first migration", before: [] },
      { title: "after another one", before: [THREE[0]] },
    ]),
  )("a connection that is cut %s: undone whole, said so, and the next run does it", async (_, { before }) => {
    const database = await createTestDatabase();
    const cut: MigrationFiles = {
      tag: "0001_cut",
      sql: ["CREATE TABLE cut ();", "SELECT pg_terminate_backend(pg_backend_pid());", "SELECT 1;"].join(
        BREAKPOINT,
      ),
    };
    const folder = await makeFolder([...before, cut]);
    const args = ["migrate", "--migrations", folder, "--url", database.url];
    // More than once, because what a driver makes of a lost connection depends on what arrives first.
    for (let time = 0; time < 2; time++) {
      const result = await runCli(args);
      expect(result.exitCode).toBe(1);
      expect(result.stderr).toContain("0001_cut was undone whole");
    }
    expect(await exists(database.sql, "cut")).toBe(false);
    expect((await readLedgerRows(database.sql)) ?? []).toHaveLength(before.length);
    await writeMigrations(folder, [...before, { ...cut, sql: "CREATE TABLE cut ();" }]);
    expect(await runCli(args)).toMatchObject({ exitCode: 0 });
    expect(await exists(database.sql, "cut")).toBe(true);
  });

  test("nothing of a cut migration reaches a new connection, however much was still to be sent", async () => {
    const database = await createTestDatabase();
    // More than the buffers of a socket take, so that the end of it cannot have been sent before the connection is cut.
    const much = `SELECT 1 /* ${"x".repeat(16_000_000)} */;`;
    const folder = await makeFolder([
      THREE[0],
      {
        tag: "0001_cut",
        sql: ["CREATE TABLE before ();", "SELECT pg_sleep(10);", much, "CREATE TABLE after ();"].join(
          BREAKPOINT,
        ),
      },
    ]);
    const run = failureOf(migrate({ migrations: folder, url: database.url }));
    const { pid } = await untilRuns(database.sql, "SELECT pg_sleep(10)");
    await database.sql`select pg_terminate_backend(${pid})`;
    const error = await run;
    expect(error.details).toEqual([
      "the server closed the connection: terminating connection due to administrator command (57P01)",
    ]);
    expect(error.state).toBe("0000_author was applied; 0001_cut was undone whole");
    expect(await readTables(database.sql)).toEqual(["author"]);
    expect(await readLedgerRows(database.sql)).toHaveLength(1);
  });
});

describe("what is run", () => {
  test("a second run says that there is nothing to apply, and changes nothing", async () => {
    const database = await createTestDatabase();
    const args = ["migrate", "--migrations", await makeFolder(THREE), "--url", database.url];
    const first = await runCli(args);
    expect(first.exitCode).toBe(0);
    const port = new URL(database.url).port;
    expect(first.stdout).toMatch(
      new RegExp(
        `^0000_author {2}\\d+ ms\\n0001_author_born {2}\\d+ ms\\n0002_book {2}\\d+ ms\\napplied 3 migrations in \\d+ ms \\(0 before\\); database ${database.name} at [^ ]+:${port} \\(PostgreSQL \\d+`,
      ),
    );
    const before = await readEverything(database.sql);
    const second = await runCli(args);
    expect(second).toMatchObject({ exitCode: 0, stderr: "" });
    expect(second.stdout).toMatch(new RegExp(`^nothing to apply: 3 applied; database ${database.name} at `));
    expect(await readEverything(database.sql)).toEqual(before);
  });

  test("an empty folder on an empty database is nothing to apply, and leaves it empty", async () => {
    const database = await createTestDatabase();
    const result = await migrate({ migrations: await makeFolder([]), url: database.url });
    expect(result).toMatchObject({ applied: [], alreadyApplied: 0, problems: [] });
    expect(await readSchemas(database.sql)).toEqual(["public"]);
  });

  test("--to stops after that migration, and names what is left", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder(THREE);
    const to = "0001_author_born";
    const result = await runCli(["migrate", "--migrations", folder, "--url", database.url, "--to", to]);
    expect(result).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining("(0 before, 1 left pending)"),
    });
    expect(await readTables(database.sql)).toEqual(["author"]);
    expect(await readLedgerRows(database.sql)).toHaveLength(2);
    const again = await migrate({ migrations: folder, url: database.url, to });
    expect(again).toMatchObject({ applied: [], alreadyApplied: 2, leftPending: ["0002_book"] });
  });

  test("a late merge is refused by the name of the flag, and run with it", async () => {
    const database = await createTestDatabase();
    const [one, two, three] = THREE;
    const folder = await makeFolder([one, { ...three, when: FIRST_WHEN + 2000 }]);
    await migrate({ migrations: folder, url: database.url });
    // drizzle-orm would skip it for ever: its `when` is older than the newest in the ledger.
    await writeMigrations(folder, [one, two, three]);
    const args = ["migrate", "--migrations", folder, "--url", database.url];
    const before = await readEverything(database.sql);
    const refused = await runCli(args);
    expect(refused).toMatchObject({ exitCode: 2, stdout: "" });
    expect(refused.stderr).toContain("0001_author_born is pending, but a migration behind it");
    expect(refused.stderr).toContain("fix: run it with --allow-out-of-order");
    expect(await readEverything(database.sql)).toEqual(before);
    const run = await runCli([...args, "--allow-out-of-order"]);
    expect(run).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^0001_author_born /) });
    expect((await readLedgerRows(database.sql))?.map(({ hash }) => hash)).toEqual(
      [one, three, two].map(({ sql }) => hashOf(sql ?? "")),
    );
  });

  test("an edited file is refused before anything is written, whatever else is pending", async () => {
    const database = await createTestDatabase();
    const [one, two] = THREE;
    const folder = await makeFolder([one]);
    await migrate({ migrations: folder, url: database.url });
    await writeMigrations(folder, [{ ...one, sql: `${one.sql}\n-- a remark` }, two]);
    const before = await readEverything(database.sql);
    const error = await failureOf(migrate({ migrations: folder, url: database.url }));
    expect(error).toMatchObject({
      code: "edited",
      exitCode: 2,
      state: "nothing was applied",
      fix: expect.stringContaining("restore 0000_author.sql"),
    });
    expect(await readEverything(database.sql)).toEqual(before);
  });

  test("several problems are said at once, each with its fix", async () => {
    const database = await createTestDatabase();
    const [one, two, three] = THREE;
    const folder = await makeFolder([one, three]);
    await migrate({ migrations: folder, url: database.url });
    await writeMigrations(folder, [{ ...one, sql: "SELECT 1;" }, two, three]);
    const error = await failureOf(migrate({ migrations: folder, url: database.url }));
    expect(error).toMatchObject({ code: "problems", exitCode: 2 });
    expect(error.details.join("\n")).toMatch(/edited: .*\n {2}fix: .*\nout-of-order: .*\n {2}fix: /);
  });
});

describe("warnings", () => {
  const CASES = [
    {
      title: "a file that the journal does not name",
      code: "not-in-journal",
      prepare: async (_: TestDatabase, folder: string) =>
        writeFile(join(folder, "0009_lost.sql"), "SELECT 1;"),
    },
    {
      title: "a ledger row that no file has",
      code: "unknown-applied",
      prepare: async ({ sql }: TestDatabase) => {
        await sql.unsafe(`insert into ${LEDGER} (hash, created_at) values ('${hashOf("elsewhere")}', 5)`);
      },
    },
    {
      title: "a migration that is in the ledger twice",
      code: "duplicate-ledger-row",
      prepare: async ({ sql }: TestDatabase) => {
        await sql.unsafe(`insert into ${LEDGER} (hash, created_at) select hash, created_at from ${LEDGER}`);
      },
    },
    {
      title: "a missing snapshot",
      code: "snapshot-missing",
      prepare: async (_: TestDatabase, folder: string) => rm(join(folder, "meta", "0000_snapshot.json")),
    },
  ];

  test.each(titled(CASES))("%s is told with a fix, and the run goes on", async (_, { code, prepare }) => {
    const database = await createTestDatabase();
    const [one, two] = THREE;
    const folder = await makeFolder([one]);
    await migrate({ migrations: folder, url: database.url });
    await writeMigrations(folder, [one, two]);
    await prepare(database, folder);
    const events = await eventsOf({ migrations: folder, url: database.url });
    const told = events.flatMap((event) => (event.type === "problems" ? event.problems : []));
    expect(told).toMatchObject([{ code, severity: "warning", fix: expect.stringMatching(/./) }]);
    expect(events.filter((event) => event.type === "ran")).toMatchObject([{ tag: two.tag }]);
  });

  test("they are told also where nothing is pending, which may be just because of them", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder(THREE);
    await migrate({ migrations: folder, url: database.url });
    await writeFile(join(folder, "0009_lost.sql"), "SELECT 1;");
    const args = ["migrate", "--migrations", folder, "--url", database.url];
    const result = await runCli(args);
    expect(result).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("nothing to apply") });
    expect(result.stderr).toContain("warning not-in-journal: 0009_lost.sql");
    expect(documentOf(await runCli([...args, "--json"]))).toMatchObject({
      problems: [{ code: "not-in-journal" }],
    });
  });

  test("those with the same fix share it", async () => {
    const { url } = await createTestDatabase();
    const folder = await makeFolder(THREE);
    for (const name of ["0001_author_born", "0002_book"])
      await rm(join(folder, "meta", `${name.slice(0, 4)}_snapshot.json`));
    await writeFile(join(folder, "0009_lost.sql"), "SELECT 1;");
    const { stderr } = await runCli(["migrate", "--migrations", folder, "--url", url]);
    expect(stderr.replaceAll(/: .*/g, "").split("\n")).toEqual([
      ...["warning not-in-journal", "  fix", "warning snapshot-missing", "warning snapshot-missing", "  fix"],
      ...["applying 3 migrations", ""],
    ]);
  });

  test("notices of PostgreSQL are shown with the migration they come from", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder([
      { tag: "0000_quiet", sql: "SELECT 1;" },
      {
        tag: "0001_loud",
        sql: "DROP TABLE IF EXISTS nothing;\nDO $$ BEGIN RAISE WARNING 'look here'; END $$;",
      },
    ]);
    const events = await eventsOf({ migrations: folder, url: database.url });
    expect(events.filter((event) => event.type === "notice")).toEqual([
      { type: "notice", tag: "0001_loud", message: 'NOTICE: table "nothing" does not exist, skipping' },
      { type: "notice", tag: "0001_loud", message: "WARNING: look here" },
    ]);
  });
});

describe("a role that may write the ledger only", () => {
  test.each(
    titled([
      { title: "may not create the run log", prepare: `drop table if exists ${RUNS}` },
      { title: "may not write the run log", prepare: "select 1" },
    ]),
  )("migrates where it %s, and is told that times are not kept", async (_, { prepare }) => {
    const [database, role] = await Promise.all([createTestDatabase(), createTestRole()]);
    const [one, two] = THREE;
    const folder = await makeFolder([one]);
    await migrate({ migrations: folder, url: database.url });
    await database.sql.unsafe(prepare);
    const to = quoted(role.name);
    await database.sql.unsafe(`
      grant usage, create on schema public to ${to};
      grant usage on schema drizzle to ${to};
      grant select, insert on ${LEDGER} to ${to};
      grant usage on sequence drizzle.__drizzle_migrations_id_seq to ${to};
      alter table author owner to ${to};`);
    await writeMigrations(folder, [one, two]);
    const args = ["migrate", "--migrations", folder, "--url", role.urlOf(database)];
    const result = await runCli(args);
    expect(result.exitCode).toBe(0);
    expect(result.stderr).toMatch(
      new RegExp(`warning: role "${role.name}" .* times and durations are not kept`),
    );
    expect(await readLedgerRows(database.sql)).toHaveLength(2);
    const { migrations } = await status({ migrations: folder, url: role.urlOf(database) });
    expect(migrations[1]).toMatchObject({ state: "applied", appliedAt: null, durationMs: null });
  });

  test("needs no CREATE on the database, and creates nothing that is there", async () => {
    const [database, role] = await Promise.all([createTestDatabase(), createTestRole()]);
    await database.sql.unsafe(`create schema drizzle authorization ${quoted(role.name)}`);
    await database.sql.unsafe(`grant create on schema public to ${quoted(role.name)}`);
    await migrate({ migrations: await makeFolder(THREE), url: role.urlOf(database) });
    expect(await readLedgerRows(database.sql)).toHaveLength(3);
  });
});

describe("runners at the same time", () => {
  test("two on an empty database both end well, and every migration runs exactly once", async () => {
    const database = await createTestDatabase();
    const files = [
      { tag: "0000_counter", sql: `CREATE TABLE counter (n int);${BREAKPOINT}SELECT pg_sleep(0.5);` },
      { tag: "0001_data", sql: "INSERT INTO counter VALUES (1);" },
      { tag: "0002_more", sql: "INSERT INTO counter VALUES (2);" },
    ];
    const args = ["migrate", "--migrations", await makeFolder(files), "--url", database.url];
    const results = await Promise.all([runCli(args), runCli(args)]);
    expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    expect(await database.sql`select n from counter order by n`).toEqual([{ n: 1 }, { n: 2 }]);
    expect((await readLedgerRows(database.sql))?.map(({ hash }) => hash)).toEqual(
      files.map(({ sql }) => hashOf(sql)),
    );
    const applied = results.map(({ stdout }) => stdout.match(/^000\d_\w+ /gm)?.length ?? 0);
    expect([...applied].sort()).toEqual([0, 3]);
    const waiter = results[applied.indexOf(0)];
    expect(waiter?.stderr).toMatch(/waiting for the migration lock, held by pid \d+ \(migrator, user /);
    expect(waiter?.stdout).toMatch(/^nothing to apply: 3 applied/);
  });

  /** Holds the lock as another session would, for the length of `work`. */
  async function whileLocked<T>(database: TestDatabase, work: (pid: number) => Promise<T>): Promise<T> {
    const { classId, objectId } = lockKey({ schema: "drizzle", table: "__drizzle_migrations" });
    const holder = await database.sql.reserve();
    try {
      await holder.unsafe("set application_name = 'deploy 17'");
      const [row] = await holder<{ pid: number }[]>`
        select pg_backend_pid() as pid from pg_advisory_lock(${classId}::int, ${objectId}::int)`;
      return await work(row?.pid ?? 0);
    } finally {
      await holder`select pg_advisory_unlock_all()`;
      holder.release();
    }
  }

  test("one that waits longer than --lock-wait ends with exit 1, names the holder, and has written nothing", async () => {
    const database = await createTestDatabase();
    const args = ["migrate", "--migrations", await makeFolder(THREE), "--url", database.url];
    await whileLocked(database, async (pid) => {
      const result = await runCli([...args, "--lock-wait", "0"]);
      expect(result).toMatchObject({ exitCode: 1, stdout: "" });
      expect(result.stderr).toContain(
        `another runner held the migration lock for more than 0 s: pid ${pid} (deploy 17, user `,
      );
      expect(result.stderr).toContain("state: nothing was applied");
      expect(result.stderr).toContain("--lock-wait <duration>");
    });
    expect(await readSchemas(database.sql)).toEqual(["public"]);
  });

  test("one that waits says so, does not wait inside PostgreSQL, and works once the lock is free", async () => {
    const database = await createTestDatabase();
    const cli = await whileLocked(database, async (pid) => {
      const started = await startCli([
        ...["migrate", "--migrations", await makeFolder(THREE)],
        ...["--url", database.url, "--lock-wait", "20s"],
      ]);
      await started.untilItSays(`waiting for the migration lock, held by pid ${pid} (deploy 17`);
      // A blocked waiter would deadlock with a CREATE INDEX CONCURRENTLY of the holder.
      const waiting = await database.sql`
        select 1 from pg_locks where locktype = 'advisory' and not granted
          and database = (select oid from pg_database where datname = current_database())`;
      expect(waiting).toEqual([]);
      return started;
    });
    expect(await cli.done).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining("applied 3 migrations"),
    });
  });

  test("a run where nothing is pending does not wait for the lock", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder(THREE);
    await migrate({ migrations: folder, url: database.url });
    await whileLocked(database, async () => {
      const result = await migrate({ migrations: folder, url: database.url, limits: { lockWait: "0" } });
      expect(result.applied).toEqual([]);
    });
  });

  test("two ledgers in one database do not wait for each other", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder(THREE);
    await whileLocked(database, async () => {
      const ledger = { table: "__other_migrations" };
      const result = await migrate({
        migrations: folder,
        url: database.url,
        ledger,
        limits: { lockWait: "0" },
      });
      expect(result.applied).toHaveLength(3);
    });
    expect(await readLedgerRows(database.sql, "drizzle.__other_migrations")).toHaveLength(3);
    expect(await exists(database.sql, LEDGER)).toBe(false);
  });

  const LEDGER_NAME = { schema: "drizzle", table: "__drizzle_migrations" };
  const WAITING = { on: SILENT, signal: new AbortController().signal };

  test("the lock is given back before the session ends, also after work that failed", async () => {
    const database = await createTestDatabase();
    const held = "select 1 from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()";
    await withUrl(database.url, async (opened) => {
      const inside = await withLock(opened, LEDGER_NAME, 0, WAITING, () => opened.sql.unsafe(held));
      expect(inside).toHaveLength(1);
      expect(await opened.sql.unsafe(held)).toEqual([]);
      const failing = withLock(opened, LEDGER_NAME, 0, WAITING, () => Promise.reject(new Error("failed")));
      await expect(failing).rejects.toThrow("failed");
      expect(await opened.sql.unsafe(held)).toEqual([]);
    });
  });

  test("a session that does not hold the lock, as behind a transaction pooler, runs nothing", async () => {
    const database = await createTestDatabase();
    const settings = await readSettings({ migrations: "nowhere", url: database.url });
    const steps = [{ sql: "create table made ()" }];
    await withUrl(database.url, async (opened) => {
      const run = () => runTransaction({ database: opened, settings }, steps);
      expect(await failureOf(run())).toMatchObject({ code: "lock-lost", exitCode: 1 });
      // Another ledger's lock is not this one's, and another session's is not ours.
      const other = { ...LEDGER_NAME, table: "other" };
      expect(await failureOf(withLock(opened, other, 0, WAITING, run))).toMatchObject({ code: "lock-lost" });
      expect(await failureOf(whileLocked(database, run))).toMatchObject({ code: "lock-lost" });
      expect(await exists(database.sql, "made")).toBe(false);
      await withLock(opened, LEDGER_NAME, 0, WAITING, run);
      expect(await exists(database.sql, "made")).toBe(true);
    });
  });
});
