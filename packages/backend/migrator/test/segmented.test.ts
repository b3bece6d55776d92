import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestDatabase, createTestRole, type TestDatabase } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { migrate, rollback, type SettingsInput, status } from "../src/index.ts";
import { runCli } from "./support/cli.ts";
import { exists, failureOf, quoted, readEverything, readLedgerRows } from "./support/database.ts";
import { BREAKPOINT, hashOf, type MigrationFiles, makeFolder, writeMigrations } from "./support/folder.ts";
import {
  expectNoRunner,
  openOther,
  readHits,
  readRunFacts,
  readValidity,
  untilBlocked,
} from "./support/sessions.ts";

/** A table to index, and one in which a statement that ran twice shows. */
const BASE: MigrationFiles = {
  tag: "0000_base",
  sql: `CREATE TABLE t (n int);${BREAKPOINT}CREATE TABLE hits (at int GENERATED ALWAYS AS IDENTITY, n int);`,
};

const hit = (n: number) => `INSERT INTO hits (n) VALUES (${n});`;

/** A file of three parts: the one in the middle runs in no transaction. */
function divided(lone: string, last = hit(2)): MigrationFiles & { readonly sql: string } {
  return { tag: "0001_divided", sql: [hit(1), lone, last].join(BREAKPOINT) };
}

const INDEX = "CREATE INDEX CONCURRENTLY t_n ON t (n);";
const UNIQUE = "CREATE UNIQUE INDEX CONCURRENTLY t_u ON t (n);";

interface Place {
  readonly database: TestDatabase;
  readonly folder: string;
  readonly settings: SettingsInput;
}

/** A database with the base applied, and a folder with one more migration. */
async function prepare(more: MigrationFiles, rows: readonly number[] = [1, 2, 3]): Promise<Place> {
  const database = await createTestDatabase();
  const folder = await makeFolder([BASE]);
  const settings = { migrations: folder, url: database.url };
  await migrate(settings);
  for (const n of rows) await database.sql`insert into t values (${n})`;
  await writeMigrations(folder, [BASE, more]);
  return { database, folder, settings };
}

async function tagsInLedger({ database }: Place, ...files: readonly MigrationFiles[]): Promise<void> {
  const rows = await readLedgerRows(database.sql);
  expect(rows?.map(({ hash }) => hash)).toEqual(files.map(({ sql }) => hashOf(sql ?? "")));
}

describe("a file with an index that is built CONCURRENTLY between two transactions", () => {
  test("applies, its ledger row last, its progress in the run log", async () => {
    const file = divided(INDEX);
    const place = await prepare(file);
    const { sql } = place.database;
    const result = await migrate(place.settings);
    expect(result.applied).toMatchObject([{ tag: file.tag, durationMs: expect.any(Number) }]);
    expect(await readHits(sql)).toEqual([1, 2]);
    expect(await readValidity(sql, "t")).toEqual({ t_n: true });
    await tagsInLedger(place, BASE, file);
    expect(await readRunFacts(sql)).toMatchObject([
      { tag: BASE.tag, outcome: "done" },
      { tag: file.tag, outcome: "done", completed: 3, begun: null, error: null },
    ]);
    expect((await migrate(place.settings)).applied).toEqual([]);
  });

  test("stands in part while a later part waits, and the ledger does not name it yet", async () => {
    const file = divided(INDEX, `LOCK TABLE t;${BREAKPOINT}${hit(2)}`);
    const place = await prepare(file);
    const { sql } = place.database;
    // Neither a snapshot nor a write: the build passes by, the lock does not.
    const reader = await openOther(place.database.url, "reader");
    await reader.run("begin; select * from t");
    const run = migrate({ ...place.settings, limits: { lockTimeout: "20s" } });
    await untilBlocked(sql);
    expect(await readValidity(sql, "t")).toEqual({ t_n: true });
    expect(await readHits(sql)).toEqual([1]);
    await tagsInLedger(place, BASE);
    await reader.run("commit");
    await run;
    await tagsInLedger(place, BASE, file);
    expect(await readHits(sql)).toEqual([1, 2]);
  });

  test("whose last part fails keeps what stands, and goes on there", async () => {
    const file = divided(INDEX, `${hit(2)}${BREAKPOINT}INSERT INTO later VALUES (1);`);
    const place = await prepare(file);
    const { sql } = place.database;
    const error = await failureOf(migrate(place.settings));
    expect(error).toMatchObject({ code: "statement-failed", exitCode: 1 });
    expect(error.message).toContain("0001_divided.sql, statement 4 of 4");
    expect(error.state).toContain(
      "2 of the 3 parts of 0001_divided stand; running again goes on with statement 3, line 5",
    );
    expect(await readHits(sql)).toEqual([1]);
    await tagsInLedger(place, BASE);
    expect(await readRunFacts(sql)).toMatchObject([
      {},
      { outcome: "partial", completed: 2, begun: null, error: expect.stringContaining("later") },
    ]);
    const seen = await status(place.settings);
    expect(seen.problems).toMatchObject([{ code: "partly-applied", severity: "warning", tag: file.tag }]);
    await sql`create table later (n int)`;
    await migrate(place.settings);
    expect(await readHits(sql)).toEqual([1, 2]);
    await tagsInLedger(place, BASE, file);
    expect((await status(place.settings)).problems).toEqual([]);
  });
});

describe("a build that duplicates refuse", () => {
  test.each([
    ["of a named index", UNIQUE, "t_u"],
    ["of an index that PostgreSQL names", "CREATE UNIQUE INDEX CONCURRENTLY ON t (n);", "t_n_idx"],
  ])(
    "%s leaves no INVALID index, and a re-run goes on there once the data is mended",
    async (_, lone, name) => {
      const file = divided(lone);
      const place = await prepare(file, [1, 1]);
      const { sql } = place.database;
      const refused = await failureOf(migrate(place.settings));
      expect(refused).toMatchObject({ code: "statement-failed", exitCode: 1 });
      expect(refused.message).toBe("0001_divided.sql, statement 2 of 3, line 3 failed");
      expect(refused.details.join("\n")).toContain("Key (n)=(1) is duplicated");
      expect(refused.state).toContain("1 of the 3 parts of 0001_divided stand");
      expect(await readValidity(sql, "t")).toEqual({});
      expect(await readHits(sql)).toEqual([1]);
      await tagsInLedger(place, BASE);
      await expectNoRunner(sql);
      await sql`delete from t where ctid = (select max(ctid) from t)`;
      await migrate(place.settings);
      expect(await readHits(sql)).toEqual([1, 2]);
      expect(await readValidity(sql, "t")).toEqual({ [name]: true });
      await tagsInLedger(place, BASE, file);
    },
  );
});

test("an index is built by one process, unless its file says otherwise", async () => {
  const place = await prepare(
    {
      tag: "0001_telling",
      sql: [
        `CREATE FUNCTION telling(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN RAISE NOTICE 'helpers: %', current_setting('max_parallel_maintenance_workers'); RETURN n; END $$;`,
        "CREATE INDEX CONCURRENTLY t_one ON t (telling(n));",
        "SET max_parallel_maintenance_workers = 3;",
        "CREATE INDEX CONCURRENTLY t_more ON t (telling(n));",
      ].join(BREAKPOINT),
    },
    [1],
  );
  const told: string[] = [];
  await migrate({ ...place.settings, on: (event) => event.type === "notice" && told.push(event.message) });
  expect([...new Set(told)]).toEqual(["NOTICE: helpers: 0", "NOTICE: helpers: 3"]);
});

describe("an INVALID index that somebody left", () => {
  test.each([
    ["by a plain statement", UNIQUE],
    ["although the statement says IF NOT EXISTS", UNIQUE.replace("t_u", "IF NOT EXISTS t_u")],
  ])("is dropped and rebuilt %s", async (_, lone) => {
    const place = await prepare(divided(lone), [1, 1]);
    const { sql } = place.database;
    await sql.unsafe(UNIQUE).catch(() => undefined);
    expect(await readValidity(sql, "t")).toEqual({ t_u: false });
    await sql`delete from t where ctid = (select max(ctid) from t)`;
    const warnings: string[] = [];
    await migrate({
      ...place.settings,
      on: (event) => {
        if (event.type === "warning") warnings.push(event.message);
      },
    });
    expect(warnings).toEqual([expect.stringContaining("INVALID index t_u")]);
    expect(await readValidity(sql, "t")).toEqual({ t_u: true });
  });

  test("under another name is left alone", async () => {
    const place = await prepare(divided(INDEX), [1, 1]);
    const { sql } = place.database;
    await sql.unsafe(UNIQUE).catch(() => undefined);
    await migrate(place.settings);
    expect(await readValidity(sql, "t")).toEqual({ t_n: true, t_u: false });
  });

  test("and a valid one that is there already is kept with IF NOT EXISTS, and refused without", async () => {
    const kept = await prepare(divided(INDEX.replace("t_n", "IF NOT EXISTS t_n")));
    await kept.database.sql.unsafe(INDEX);
    await migrate(kept.settings);
    const refused = await prepare(divided(INDEX));
    await refused.database.sql.unsafe(INDEX);
    const error = await failureOf(migrate(refused.settings));
    expect(error.details.join("\n")).toContain('relation "t_n" already exists');
    expect(await readValidity(refused.database.sql, "t")).toEqual({ t_n: true });
  });
});

describe("a file that was edited after its run had been cut", () => {
  test("is refused before anything is written, goes on once restored", async () => {
    const file = divided(UNIQUE);
    const place = await prepare(file, [1, 1]);
    const { sql } = place.database;
    await failureOf(migrate(place.settings));
    await writeFile(join(place.folder, `${file.tag}.sql`), `${file.sql}\n-- a remark`);
    const before = await readEverything(sql);
    const refused = await failureOf(migrate(place.settings));
    expect(refused).toMatchObject({ code: "edited", exitCode: 2, state: "nothing was applied" });
    expect(await readEverything(sql)).toEqual(before);
    await sql`delete from t where ctid = (select max(ctid) from t)`;
    await writeFile(join(place.folder, `${file.tag}.sql`), file.sql);
    await migrate(place.settings);
    expect(await readHits(sql)).toEqual([1, 2]);
  });

  test("begins anew after repair --forget, which shows before it writes", async () => {
    const file = divided(UNIQUE);
    const place = await prepare(file, [1, 1]);
    const { sql } = place.database;
    await failureOf(migrate(place.settings));
    const mended = divided(UNIQUE.replace("UNIQUE ", ""), hit(3));
    await writeMigrations(place.folder, [BASE, mended]);
    const target = ["--migrations", place.folder, "--url", place.database.url];
    const shown = await runCli(["repair", ...target, "--forget", file.tag]);
    expect(shown).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("nothing was written") });
    await failureOf(migrate(place.settings));
    const written = await runCli(["repair", ...target, "--forget", file.tag, "--write"]);
    expect(written).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("1 change made") });
    await migrate(place.settings);
    expect(await readHits(sql)).toEqual([1, 1, 3]);
    await tagsInLedger(place, BASE, mended);
    expect(await readRunFacts(sql)).toMatchObject([
      {},
      { outcome: "failed", error: expect.stringContaining("forgotten") },
      { outcome: "done" },
    ]);
  });
});

test("COMMIT and BEGIN, written to get out of Drizzle's transaction, divide the file and do no harm", async () => {
  const parts = [hit(1), "COMMIT;", INDEX, "BEGIN;", hit(2)];
  const file = { tag: "0001_divided", sql: parts.join(BREAKPOINT) };
  const place = await prepare(file);
  await migrate(place.settings);
  expect(await readHits(place.database.sql)).toEqual([1, 2]);
  expect(await readValidity(place.database.sql, "t")).toEqual({ t_n: true });
  await tagsInLedger(place, BASE, file);
});

test("VACUUM, REINDEX CONCURRENTLY and two builds in one file apply", async () => {
  const lone = [INDEX, "VACUUM t;", "REINDEX INDEX CONCURRENTLY t_n;", UNIQUE].join(" ");
  const place = await prepare(divided(lone));
  await migrate(place.settings);
  expect(await readHits(place.database.sql)).toEqual([1, 2]);
  expect(await readValidity(place.database.sql, "t")).toEqual({ t_n: true, t_u: true });
  expect((await readRunFacts(place.database.sql)).at(-1)).toMatchObject({ outcome: "done", completed: 6 });
});

describe("a down file that drops an index CONCURRENTLY", () => {
  const down = [hit(-1), "DROP INDEX CONCURRENTLY t_n;", "DELETE FROM hits WHERE n > 0;"].join(BREAKPOINT);

  test("rolls back, and the migration can be applied again", async () => {
    const file = { ...divided(INDEX), down };
    const place = await prepare(file);
    const { sql } = place.database;
    await migrate(place.settings);
    const result = await rollback(place.settings);
    expect(result.rolledBack).toMatchObject([{ tag: file.tag }]);
    expect(await readHits(sql)).toEqual([-1]);
    expect(await readValidity(sql, "t")).toEqual({});
    await tagsInLedger(place, BASE);
    await migrate(place.settings);
    expect(await readValidity(sql, "t")).toEqual({ t_n: true });
    await tagsInLedger(place, BASE, file);
  });

  test("goes on where it was cut; migrate refuses meanwhile", async () => {
    // The trial before a rollback sees the index still there, so that the failure comes when it counts.
    const fragile = `DO $$ BEGIN IF to_regclass('t_n') IS NULL AND to_regclass('mended') IS NULL THEN
      RAISE EXCEPTION 'not yet'; END IF; END $$;`;
    const file = { ...divided(INDEX), down: `${down}${BREAKPOINT}${fragile}` };
    const place = await prepare(file);
    const { sql } = place.database;
    await migrate(place.settings);
    const cut = await failureOf(rollback(place.settings));
    expect(cut.state).toContain("2 of the 3 parts of 0001_divided stand");
    expect(await readHits(sql)).toEqual([1, 2, -1]);
    expect(await readValidity(sql, "t")).toEqual({});
    await tagsInLedger(place, BASE, file);
    const refused = await failureOf(migrate(place.settings));
    expect(refused).toMatchObject({ code: "partly-rolled-back", exitCode: 2 });
    await sql`create table mended ()`;
    await rollback(place.settings);
    expect(await readHits(sql)).toEqual([-1]);
    await tagsInLedger(place, BASE);
    expect((await migrate(place.settings)).applied).toMatchObject([{ tag: file.tag }]);
  });

  test("is not stopped by a cut run of a file that is not here", async () => {
    const place = await prepare({
      tag: "0001_other",
      sql: "CREATE TABLE other ();",
      down: "DROP TABLE other;",
    });
    const { sql } = place.database;
    await migrate(place.settings);
    await sql`insert into drizzle.__drizzle_migrations_runs
      (tag, hash, script_hash, direction, started_at, finished_at, duration_ms, statements, outcome, completed, host, pid, version)
      values ('0009_gone', 'x', 'x', 'up', now(), now(), 1, 2, 'partial', 1, 'h', 1, '0')`;
    expect((await rollback(place.settings)).rolledBack).toMatchObject([{ tag: "0001_other" }]);
  });

  test("refuses to drop rows that were written while the index went", async () => {
    const down = `DROP INDEX CONCURRENTLY h_n;${BREAKPOINT}DROP TABLE t;`;
    const place = await prepare({ ...divided("CREATE INDEX CONCURRENTLY h_n ON hits (n);"), down }, []);
    const { sql } = place.database;
    await migrate(place.settings);
    const reader = await openOther(place.database.url, "reader");
    await reader.run("begin isolation level repeatable read; select * from hits");
    const run = failureOf(rollback(place.settings));
    await untilBlocked(sql);
    await sql`insert into t values (7)`;
    await reader.run("commit");
    expect(await run).toMatchObject({ code: "data-loss" });
    expect(await sql`select n from t`).toEqual([{ n: 7 }]);
  });
});

describe("what a divided file sets for the session", () => {
  const SCHEMAS: MigrationFiles = {
    tag: "0000_schemas",
    sql: "CREATE SCHEMA app; CREATE TABLE app.t (id int); CREATE TABLE public.t (id int);",
  };
  const file: MigrationFiles = {
    tag: "0001_app",
    sql: [
      "SET search_path = app;",
      "ALTER TABLE t ADD COLUMN n int;",
      "CREATE INDEX CONCURRENTLY t_n ON t (n);",
      "CREATE TABLE made (a int CHECK (a > 0));",
    ].join(BREAKPOINT),
  };
  const tables = (sql: TestDatabase["sql"]) =>
    sql`select schemaname || '.' || tablename || coalesce(' ' || indexname, '') as name
      from pg_tables left join pg_indexes using (schemaname, tablename) where schemaname in ('app', 'public') order by 1`;
  const expected = ["app.made", "app.t t_n", "public.t"].map((name) => ({ name }));

  test("counts in all its parts", async () => {
    const database = await createTestDatabase();
    const settings = { migrations: await makeFolder([SCHEMAS, file]), url: database.url };
    await migrate(settings);
    expect(await tables(database.sql)).toEqual(expected);
  });

  test("counts also where a run is taken up again, behind what had set it", async () => {
    const database = await createTestDatabase();
    const settings = { migrations: await makeFolder([SCHEMAS, file]), url: database.url };
    await migrate({ ...settings, to: SCHEMAS.tag });
    // Nothing can be built under this name: the run is cut at the index.
    await database.sql`create view app.t_n as select 1`;
    await failureOf(migrate(settings));
    await database.sql`drop view app.t_n`;
    await migrate(settings);
    expect(await tables(database.sql)).toEqual(expected);
  });

  test("does not reach the next file", async () => {
    const database = await createTestDatabase();
    const next = { tag: "0002_next", sql: "CREATE TABLE plain ();" };
    const settings = { migrations: await makeFolder([SCHEMAS, file, next]), url: database.url };
    await migrate(settings);
    expect(await exists(database.sql, "public.plain")).toBe(true);
  });
});

test("of two files of equal text, each runs whole, also after the first was cut", async () => {
  const sql = [hit(1), "VACUUM later;", hit(2)].join(BREAKPOINT);
  const place = await prepare({ tag: "0001_tick", sql });
  await writeMigrations(place.folder, [BASE, { tag: "0001_tick", sql }, { tag: "0002_tock", sql }]);
  await failureOf(migrate(place.settings));
  await place.database.sql`create table later ()`;
  await migrate(place.settings);
  expect(await readHits(place.database.sql)).toEqual([1, 2, 1, 2]);
});

describe("a lone statement that PostgreSQL refuses", () => {
  const PARTED = `CREATE TABLE p (n int) PARTITION BY RANGE (n);${BREAKPOINT}CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);`;

  test.each([
    ["DROP INDEX CONCURRENTLY t_nn;", "42704"],
    ["ALTER TABLE p DETACH PARTITION p_1 CONCURRENTLY;", "42P01"],
    ["CREATE DATABASE postgres;", "42P04"],
    ["CREATE DATABASE never_made TEMPLATE not_there;", "3D000"],
    ["DROP DATABASE not_there;", "3D000"],
    ["ALTER DATABASE not_there SET TABLESPACE pg_default;", "3D000"],
    ["REINDEX TABLE CONCURRENTLY not_there;", "42P01"],
  ])("is refused again by a second run, and nothing counts as done: %s", async (lone, sqlState) => {
    const file = { tag: "0001_divided", sql: [PARTED, "CREATE INDEX t_n ON t (n);", lone].join(BREAKPOINT) };
    const place = await prepare(file);
    for (const run of ["first", "second", "third"]) {
      const error = await failureOf(migrate(place.settings));
      expect(error, run).toMatchObject({ code: "statement-failed", exitCode: 1 });
      expect(error.details.join("\n"), run).toContain(`(${sqlState})`);
    }
    await tagsInLedger(place, BASE);
    const [, run] = await readRunFacts(place.database.sql);
    expect(run).toMatchObject({ outcome: "partial", completed: 1, begun: null });
  });

  test("begun by one process and finished by another is told so", async () => {
    const place = await prepare({ tag: "0001_divided", sql: `${hit(1)}${BREAKPOINT}${UNIQUE}` }, [1, 1]);
    await failureOf(migrate(place.settings));
    const { sql } = place.database;
    await sql`update drizzle.__drizzle_migrations_runs set pid = 1, host = 'other' where tag = '0001_divided'`;
    await sql`delete from t where ctid = (select max(ctid) from t)`;
    await migrate(place.settings);
    expect(await readRunFacts(sql)).toMatchObject([
      {},
      { outcome: "done", error: "begun by pid 1 on other" },
    ]);
    expect(await sql`select pid from drizzle.__drizzle_migrations_runs where tag = '0001_divided'`).toEqual([
      { pid: process.pid },
    ]);
  });

  test("as the first of its file can be mended in the file, as the error says", async () => {
    const place = await prepare({ tag: "0001_divided", sql: `${UNIQUE}${BREAKPOINT}${hit(1)}` }, [1, 1]);
    const error = await failureOf(migrate(place.settings));
    expect(error.fix).toContain("mend the file, then run again");
    await writeMigrations(place.folder, [BASE, divided(INDEX)]);
    expect((await migrate(place.settings)).applied).toMatchObject([{ tag: "0001_divided" }]);
    expect(await readHits(place.database.sql)).toEqual([1, 2]);
  });
});

describe("a procedure that commits, called between a COMMIT and a BEGIN", () => {
  const PROCEDURE = `CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$ BEGIN
    FOR n IN 1..3 LOOP INSERT INTO hits (n) VALUES (n); COMMIT; END LOOP; END $$;`;
  const BLOCK = "DO $$ BEGIN FOR n IN 1..3 LOOP INSERT INTO hits (n) VALUES (n); COMMIT; END LOOP; END $$;";

  test.each([
    ["CALL", [PROCEDURE, "COMMIT;", "CALL fill();", "BEGIN;", hit(4)].join(BREAKPOINT)],
    ["CALL, all in one chunk", `${PROCEDURE} COMMIT; CALL fill(); BEGIN; ${hit(4)}`],
    ["DO", ["COMMIT;", BLOCK, "BEGIN;", hit(4)].join(BREAKPOINT)],
  ])("%s runs by itself, once", async (_, sql) => {
    const place = await prepare({ tag: "0001_fill", sql });
    expect((await migrate(place.settings)).applied).toMatchObject([{ tag: "0001_fill" }]);
    expect(await readHits(place.database.sql)).toEqual([1, 2, 3, 4]);
  });

  test("is not tried again by itself; the next run begins it anew", async () => {
    const sql = [PROCEDURE.replace("COMMIT;", "COMMIT; LOCK TABLE t;"), "COMMIT;", "CALL fill();", "BEGIN;"];
    const place = await prepare({ tag: "0001_fill", sql: sql.join(BREAKPOINT) });
    const other = await openOther(place.database.url, "reader");
    await other.run("begin; select * from t");
    const error = await failureOf(migrate({ ...place.settings, limits: { lockTimeout: "500ms" } }));
    expect(error.details.join(" ")).toContain("tried 1 time");
    expect(await readHits(place.database.sql)).toEqual([1]);
    await other.run("commit");
    await migrate(place.settings);
    expect(await readHits(place.database.sql)).toEqual([1, 1, 2, 3]);
  });
});

test("the run log counts the tries of every part of a divided file", async () => {
  const place = await prepare(divided(INDEX, `LOCK TABLE t;${BREAKPOINT}${hit(2)}`));
  const reader = await openOther(place.database.url, "reader");
  await reader.run("begin; select * from t");
  const retried: string[] = [];
  const run = migrate({
    ...place.settings,
    limits: { lockTimeout: "300ms" },
    on: ({ type }) => retried.push(type),
  });
  while (retried.filter((type) => type === "retrying").length < 2)
    await new Promise((go) => setTimeout(go, 20));
  await reader.run("commit");
  await run;
  const [, facts] = await readRunFacts(place.database.sql);
  expect(facts?.retries).toBe(retried.filter((type) => type === "retrying").length);
});

test("REINDEX CONCURRENTLY that is tried again leaves no INVALID index, neither the copy nor the old one", async () => {
  const place = await prepare({ tag: "0001_reindex", sql: "REINDEX TABLE CONCURRENTLY t;" });
  const { sql, url } = place.database;
  await sql`create index t_n on t (n)`;
  const reader = await openOther(url, "reader");
  await reader.run("begin isolation level repeatable read; select * from t");
  const events: string[] = [];
  const limits = { lockTimeout: "300ms", concurrentLockTimeout: "500ms" };
  const run = migrate({ ...place.settings, limits, on: ({ type }) => events.push(type) });
  while (!events.includes("retrying")) await new Promise((go) => setTimeout(go, 20));
  await reader.run("commit");
  await run;
  expect(await readValidity(sql, "t")).toEqual({ t_n: true });
});

test("VACUUM FULL, which stops everybody, waits no longer than --lock-timeout, and is tried again", async () => {
  const file = { tag: "0001_full", sql: "VACUUM FULL t;" };
  const place = await prepare(file);
  const reader = await openOther(place.database.url, "reader");
  await reader.run("begin; select * from t");
  const error = await failureOf(migrate({ ...place.settings, limits: { lockTimeout: "1s", retries: 1 } }));
  expect(error.details.join(" ")).toContain("tried 2 times; in the way: pid");
  await reader.run("commit");
  expect((await migrate(place.settings)).applied).toMatchObject([{ tag: file.tag }]);
});

test("REINDEX and CLUSTER of a partitioned table apply", async () => {
  const tables = [
    "CREATE TABLE part (id int NOT NULL, PRIMARY KEY (id)) PARTITION BY RANGE (id);",
    "CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (9);",
  ];
  // CLUSTER takes a partitioned table since PostgreSQL 15.
  const file = {
    tag: "0001_part",
    sql: [
      ...tables,
      "REINDEX TABLE part;",
      "REINDEX INDEX part_pkey;",
      "CLUSTER part_1 USING part_1_pkey;",
    ].join(BREAKPOINT),
  };
  const place = await prepare(file);
  expect((await migrate(place.settings)).applied).toMatchObject([{ tag: file.tag }]);
});

test("a role that may not write the run log is refused such a file, and no other", async () => {
  const place = await prepare({ tag: "0001_plain", sql: hit(1) });
  const { sql } = place.database;
  const role = await createTestRole();
  const to = quoted(role.name);
  await sql.unsafe(`grant usage, create on schema public to ${to}; grant usage on schema drizzle to ${to};
    grant select, insert on drizzle.__drizzle_migrations to ${to};
    grant usage on sequence drizzle.__drizzle_migrations_id_seq to ${to};
    alter table t owner to ${to}; alter table hits owner to ${to};`);
  await writeMigrations(place.folder, [
    BASE,
    { tag: "0001_plain", sql: hit(1) },
    { tag: "0002_divided", sql: divided(INDEX).sql },
  ]);
  const url = role.urlOf(place.database);
  const error = await failureOf(migrate({ ...place.settings, url }));
  expect(error).toMatchObject({ code: "permission-denied", exitCode: 2 });
  expect(error.message).toContain("0002_divided.sql holds statements that cannot run in a transaction");
  expect(error.state).toContain("0001_plain was applied");
  expect(await readHits(sql)).toEqual([1]);
  expect(await readValidity(sql, "t")).toEqual({});
  await sql.unsafe(`grant select, insert, update on drizzle.__drizzle_migrations_runs to ${to}`);
  await migrate({ ...place.settings, url });
  expect(await readHits(sql)).toEqual([1, 1, 2]);
});

test("a value added to an enum in one file can be used in the next, in one run", async () => {
  const database = await createTestDatabase();
  const files = [
    { tag: "0000_mood", sql: "CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE day (mood mood);" },
    { tag: "0001_value", sql: "ALTER TYPE mood ADD VALUE 'glad' BEFORE 'ok';" },
    {
      tag: "0002_use",
      sql: "INSERT INTO day VALUES ('glad'); ALTER TABLE day ALTER mood SET DEFAULT 'glad';",
    },
  ];
  const result = await migrate({ migrations: await makeFolder(files), url: database.url });
  expect(result.applied).toHaveLength(3);
  expect(await database.sql`select mood::text from day`).toEqual([{ mood: "glad" }]);
});

describe("a lone statement whose session was ended in the middle", () => {
  /** Ends the runner's backend while it waits for a reader of the table, and lets the reader go. */
  async function cutWhileWaiting(place: Place, table: string): Promise<void> {
    const { sql, url } = place.database;
    const reader = await openOther(url, "reader");
    await reader.run(`begin isolation level repeatable read; select * from ${table}`);
    const run = failureOf(migrate(place.settings));
    const { pid } = await untilBlocked(sql);
    await sql`select pg_terminate_backend(${pid})`;
    const error = await run;
    expect(error).toMatchObject({ code: "connection-lost", exitCode: 1 });
    expect(error.state).toContain("1 of the 3 parts of 0001_divided stand");
    await reader.run("commit");
    await expectNoRunner(sql);
  }

  test("CREATE INDEX CONCURRENTLY: the re-run drops the INVALID index and builds it", async () => {
    const file = divided(INDEX.replace("t_n", "IF NOT EXISTS t_n"));
    const place = await prepare(file);
    await cutWhileWaiting(place, "t");
    expect(await readValidity(place.database.sql, "t")).toEqual({ t_n: false });
    await migrate(place.settings);
    expect(await readValidity(place.database.sql, "t")).toEqual({ t_n: true });
    expect(await readHits(place.database.sql)).toEqual([1, 2]);
    await tagsInLedger(place, BASE, file);
  });

  test("CREATE INDEX CONCURRENTLY without a name: the re-run leaves one index, and a valid one", async () => {
    const place = await prepare(divided("CREATE INDEX CONCURRENTLY ON t (n);"));
    await cutWhileWaiting(place, "t");
    expect(await readValidity(place.database.sql, "t")).toEqual({ t_n_idx: false });
    await migrate(place.settings);
    expect(await readValidity(place.database.sql, "t")).toEqual({ t_n_idx: true });
    expect(await readHits(place.database.sql)).toEqual([1, 2]);
  });

  test("DROP INDEX CONCURRENTLY: the re-run finishes the drop", async () => {
    const place = await prepare(divided("DROP INDEX CONCURRENTLY t_old;"));
    await place.database.sql`create index t_old on t (n)`;
    await cutWhileWaiting(place, "t");
    await migrate(place.settings);
    expect(await readValidity(place.database.sql, "t")).toEqual({});
    expect(await readHits(place.database.sql)).toEqual([1, 2]);
  });

  test("REINDEX CONCURRENTLY: the re-run leaves neither the copy nor an INVALID index", async () => {
    const place = await prepare(divided("REINDEX INDEX CONCURRENTLY t_old;"));
    await place.database.sql`create index t_old on t (n)`;
    await cutWhileWaiting(place, "t");
    expect(Object.keys(await readValidity(place.database.sql, "t"))).toHaveLength(2);
    await migrate(place.settings);
    expect(await readValidity(place.database.sql, "t")).toEqual({ t_old: true });
    expect(await readHits(place.database.sql)).toEqual([1, 2]);
  });

  test("REINDEX TABLE CONCURRENTLY: the re-run leaves no INVALID index of the TOAST table either", async () => {
    const place = await prepare(divided("REINDEX TABLE CONCURRENTLY t;"));
    const { sql } = place.database;
    await sql`alter table t add column long text`;
    await sql`create index t_old on t (n)`;
    await cutWhileWaiting(place, "t");
    const invalid = () =>
      sql`select indexrelid::regclass::text as name from pg_index where not indisvalid order by 1`;
    expect(await invalid()).toHaveLength(2);
    await migrate(place.settings);
    expect(await invalid()).toEqual([]);
    expect(await readValidity(sql, "t")).toEqual({ t_old: true });
  });

  test("DETACH PARTITION CONCURRENTLY: the re-run finalizes it", async () => {
    const place = await prepare(divided("ALTER TABLE whole DETACH PARTITION part CONCURRENTLY;"));
    const { sql } = place.database;
    await sql.unsafe(`create table whole (n int) partition by range (n);
      create table part partition of whole for values from (0) to (9); insert into whole values (5)`);
    await cutWhileWaiting(place, "whole");
    const pending =
      await sql`select inhdetachpending as pending from pg_inherits where inhrelid = 'part'::regclass`;
    expect(pending).toEqual([{ pending: true }]);
    await migrate(place.settings);
    expect(await sql`select 1 from pg_inherits where inhrelid = 'part'::regclass`).toEqual([]);
    expect(await sql`select n from part`).toEqual([{ n: 5 }]);
    expect(await readHits(sql)).toEqual([1, 2]);
    expect(await exists(sql, "part")).toBe(true);
  });
});
