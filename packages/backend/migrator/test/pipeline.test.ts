import { createTestDatabase, createTestRole } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { withUrl } from "../src/database/connect.ts";
import { lockKey } from "../src/database/lock.ts";
import { createPreparer } from "../src/database/prepared.ts";
import { type Event, migrate, rollback } from "../src/index.ts";
import { failureOf, quoted, readTables } from "./support/database.ts";
import { BREAKPOINT, hashOf, type MigrationFiles, makeFolder, tagsOf } from "./support/folder.ts";
import { startProxy } from "./support/proxy.ts";
import { openOther, readRunFacts, until, untilBlocked, untilRuns } from "./support/sessions.ts";

/** As many as are never under way at once, each with its own table `t<n>` and a notice. */
function many(count: number): readonly MigrationFiles[] {
  return Array.from({ length: count }, (_, index) => ({
    tag: `${String(index).padStart(4, "0")}_t${index}`,
    sql: `CREATE TABLE t${index} (n int);${BREAKPOINT}DO $$ BEGIN RAISE NOTICE 'made t${index}'; END $$;`,
    down: `DROP TABLE t${index};`,
  }));
}

/** The files with another text in the place of one. */
function withSql(files: readonly MigrationFiles[], at: number, sql: string): readonly MigrationFiles[] {
  return files.map((file, index) => (index === at ? { ...file, sql } : file));
}

async function prepare(files: readonly MigrationFiles[]) {
  const database = await createTestDatabase();
  const events: Event[] = [];
  const on = (event: Event) => events.push(event);
  return { database, events, settings: { migrations: await makeFolder(files), url: database.url, on } };
}

async function appliedHashes(sql: Awaited<ReturnType<typeof prepare>>["database"]["sql"]) {
  const rows = await sql<{ hash: string }[]>`select hash from drizzle.__drizzle_migrations order by id`;
  return rows.map(({ hash }) => hash);
}

/** Notices and ends, as a listener hears them. */
function toldIn(events: readonly Event[]): readonly string[] {
  return events.flatMap((event) => {
    if (event.type === "notice") return [`${event.tag}: ${event.message}`];
    return event.type === "ran" ? [event.tag] : [];
  });
}

test("forty migrations are applied in order, and each notice is told under its own tag, after those before", async () => {
  const files = many(40);
  const { database, events, settings } = await prepare(files);
  const result = await migrate(settings);
  expect(result.applied.map(({ tag }) => tag)).toEqual(tagsOf(files));
  expect(await appliedHashes(database.sql)).toEqual(files.map(({ sql }) => hashOf(sql ?? "")));
  expect(toldIn(events)).toEqual(tagsOf(files).flatMap((tag, n) => [`${tag}: NOTICE: made t${n}`, tag]));
});

test("one that fails takes down what was sent behind it, which leaves nothing, and a re-run finishes", async () => {
  const files = many(30);
  const { database, settings } = await prepare(withSql(files, 4, "CREATE TABLE t4 (n int); SELECT 1 / 0;"));
  const error = await failureOf(migrate(settings));
  expect(error.message).toContain("0004_t4.sql, statement 1 of 1");
  expect(error.state).toBe(
    "0000_t0, 0001_t1, 0002_t2, 0003_t3 were applied; 0004_t4 was undone whole and is still pending",
  );
  expect(await readTables(database.sql)).toEqual(["t0", "t1", "t2", "t3"]);
  expect((await readRunFacts(database.sql)).map(({ tag, outcome }) => `${tag} ${outcome}`)).toEqual([
    ...["0000_t0", "0001_t1", "0002_t2", "0003_t3"].map((tag) => `${tag} done`),
    "0004_t4 failed",
  ]);
  const again = { ...settings, migrations: await makeFolder(files) };
  expect((await migrate(again)).applied).toHaveLength(26);
});

test("one that has to be tried again is tried again, and those behind it run once, after it", async () => {
  const files = withSql(many(12), 3, "ALTER TABLE busy ADD COLUMN n int;");
  const { database, events, settings } = await prepare(files);
  await database.sql`create table busy ()`;
  const other = await openOther(database.url, "reader");
  await other.run("begin; select * from busy");
  const run = migrate({ ...settings, limits: { lockTimeout: "200ms" } });
  await untilBlocked(database.sql);
  while (!events.some(({ type }) => type === "retrying")) await new Promise((go) => setTimeout(go, 20));
  await other.run("commit");
  expect((await run).applied.map(({ tag }) => tag)).toEqual(tagsOf(files));
  expect(await appliedHashes(database.sql)).toEqual(files.map(({ sql }) => hashOf(sql ?? "")));
  const retried = (await readRunFacts(database.sql)).filter(({ retries }) => retries > 0);
  expect(retried.map(({ tag }) => tag)).toEqual(["0003_t3"]);
});

test("sixteen that follow are with the server before a migration has ended, and no more", async () => {
  const files = withSql(many(20), 1, "SELECT pg_sleep(1.5) /* first */;");
  const { database, events, settings } = await prepare(files);
  const proxy = await startProxy(database.url);
  const run = migrate({ ...settings, url: proxy.url });
  await untilRuns(database.sql, "first");
  await until("word of the one before", async () => events.some(({ type }) => type === "ran"));
  // What was sent at that word is on its way.
  await database.sql`select pg_sleep(0.5)`;
  // From here on server and runner hear nothing of each other.
  proxy.stall();
  const sent = files.slice(0, 18);
  await until("all that was sent", async () => (await appliedHashes(database.sql)).length >= sent.length);
  await database.sql`select pg_sleep(0.2)`;
  expect(await appliedHashes(database.sql)).toEqual(sent.map(({ sql }) => hashOf(sql ?? "")));
  proxy.cut();
  proxy.heal();
  const error = await failureOf(run);
  expect(error).toMatchObject({
    code: "connection-lost",
    state: `0000_t0 was applied; ${tagsOf(sent).slice(1).join(", ")} were committed before that`,
  });
});

test("files in segments among others wait for those before, and have their own notices", async () => {
  const half = "DO $$ BEGIN RAISE NOTICE 'half'; END $$;";
  const files = withSql(many(8), 3, `CREATE TABLE t3 (n int);\nCOMMIT;\n${half}`);
  const { database, events, settings } = await prepare(files);
  expect((await migrate(settings)).applied.map(({ tag }) => tag)).toEqual(tagsOf(files));
  expect(await appliedHashes(database.sql)).toEqual(files.map(({ sql }) => hashOf(sql ?? "")));
  expect(toldIn(events)).toEqual(
    tagsOf(files).flatMap((tag, n) => [`${tag}: NOTICE: ${n === 3 ? "half" : `made t${n}`}`, tag]),
  );
});

test("each try tells its notices once", async () => {
  const again = `DO $$ BEGIN RAISE NOTICE 'try'; IF nextval('tries') < 3 THEN RAISE SQLSTATE '40001'; END IF; END $$;`;
  // What is told of one behind it while the server parses it, each time that it is sent.
  const long = `CREATE TABLE ${"t".repeat(64)} (n int);`;
  const files = withSql(withSql(many(4), 2, again), 3, long);
  const { database, events, settings } = await prepare(files);
  await database.sql`create sequence tries`;
  await migrate(settings);
  const tries = Array(3).fill("0002_t2: NOTICE: try");
  const truncated = expect.stringMatching(/^0003_t3: NOTICE: identifier .* will be truncated/);
  expect(toldIn(events).slice(4)).toEqual([...tries, "0002_t2", truncated, "0003_t3"]);
});

test.each([
  ["the role", "SET ROLE %1;", "current_user"],
  ["the session's user", "SET SESSION AUTHORIZATION %1;", "session_user"],
  ["a setting", "SET search_path = '';", "current_setting('search_path')"],
  [
    "read-only transactions",
    "SET default_transaction_read_only = on;",
    "current_setting('transaction_read_only')",
  ],
  ["the session's name", "SET application_name = 'mine';", "current_setting('application_name')"],
])("%s that a file has set is not there for the next", async (_, change, what) => {
  const role = await createTestRole();
  const look = `SELECT ${what} AS seen`;
  const files = [
    { tag: "0000_before", sql: `CREATE TABLE public.a AS ${look};` },
    { tag: "0001_set", sql: change.replaceAll("%1", quoted(role.name)) },
    { tag: "0002_after", sql: `CREATE TABLE public.b AS ${look};` },
  ];
  const { database, settings } = await prepare(files);
  await migrate(settings);
  const [a, b] = [
    await database.sql`select seen from public.a`,
    await database.sql`select seen from public.b`,
  ];
  expect(b).toEqual(a);
});

test("one that gives the lock away is undone, and what was sent behind it does not run without it", async () => {
  const files = withSql(many(6), 2, "SELECT pg_advisory_unlock_all();");
  const { database, events, settings } = await prepare(files);
  const error = await failureOf(migrate(settings));
  expect(events.filter(({ type }) => type === "warning")).toEqual([]);
  expect(error).toMatchObject({
    code: "lock-lost",
    state: "0000_t0, 0001_t1 were applied; 0002_t2 was undone whole and is still pending",
  });
  expect(await readTables(database.sql)).toEqual(["t0", "t1"]);
});

test("a text of the file that is no number is not taken for the loss of the lock", async () => {
  const { settings } = await prepare(withSql(many(3), 1, "SELECT 'a'::int;"));
  expect(await failureOf(migrate(settings))).toMatchObject({
    code: "statement-failed",
    message: expect.stringContaining("0001_t1.sql, statement 1 of 1"),
  });
});

test("each runs under the limits of its run", async () => {
  const look = "current_setting('lock_timeout') || ' ' || current_setting('statement_timeout')";
  const files = [0, 1].map((n) => ({
    tag: `000${n}_a`,
    sql: `CREATE TABLE a${n} AS SELECT ${look} AS seen;`,
  }));
  const { database, settings } = await prepare(files);
  await migrate({ ...settings, limits: { lockTimeout: "1234ms", statementTimeout: "5678ms" } });
  for (const n of [0, 1]) {
    expect(await database.sql.unsafe(`select seen from a${n}`)).toEqual([{ seen: "1234ms 5678ms" }]);
  }
});

test("the lock is held twice over, so that proving it does not let go", async () => {
  const { classId, objectId } = lockKey({ schema: "drizzle", table: "__drizzle_migrations" });
  const unlock = `pg_advisory_unlock(${classId}, ${objectId})`;
  const lock = `pg_try_advisory_lock(${classId}, ${objectId})`;
  const { database, settings } = await prepare(
    [0, 1, 2].map((n) => ({
      tag: `000${n}_lock`,
      sql: `CREATE TABLE l${n} AS SELECT ARRAY[${unlock}, ${unlock}, ${lock}, ${lock}] AS held;`,
    })),
  );
  await migrate(settings);
  for (const n of [0, 1, 2]) {
    expect(await database.sql.unsafe(`select held from l${n}`)).toEqual([{ held: [true, true, true, true] }]);
  }
});

test("a rollback of many undoes them in order; one that fails leaves those before it undone", async () => {
  const files = many(20);
  const { database, settings } = await prepare(files);
  await migrate(settings);
  const result = await rollback({ ...settings, steps: 18, allowDataLoss: true });
  expect(result.rolledBack.map(({ tag }) => tag)).toEqual(tagsOf(files).slice(2).reverse());
  expect(await readTables(database.sql)).toEqual(["t0", "t1"]);
  expect(await appliedHashes(database.sql)).toHaveLength(2);
});

describe("a file of the same text as one that is applied already", () => {
  const ADD = "ALTER TABLE t ADD COLUMN x text;";
  const FIRST: readonly MigrationFiles[] = [
    { tag: "0000_base", sql: "CREATE TABLE t (n int); CREATE TABLE log (what text);" },
    { tag: "0001_add", sql: ADD },
    { tag: "0002_drop", sql: "ALTER TABLE t DROP COLUMN x;" },
  ];
  const MORE: readonly MigrationFiles[] = [
    ...FIRST,
    { tag: "0003_add_again", sql: ADD },
    { tag: "0004_log", sql: "INSERT INTO log VALUES ('0004');" },
    { tag: "0005_log", sql: "INSERT INTO log VALUES ('0005');" },
  ];

  async function prepareAgain() {
    const place = await prepare(FIRST);
    await migrate(place.settings);
    const settings = { ...place.settings, migrations: await makeFolder(MORE) };
    const readLog = async () =>
      (await place.database.sql<{ what: string }[]>`select what from log order by ctid`).map(
        ({ what }) => what,
      );
    return { ...place, settings, readLog };
  }

  test("holds back those behind it while it is tried again: they run once, after it", async () => {
    const { database, settings, readLog } = await prepareAgain();
    const other = await openOther(database.url, "reader");
    await other.run("begin; select * from t");
    const run = migrate({ ...settings, limits: { lockTimeout: "300ms" } });
    await untilBlocked(database.sql);
    await database.sql`select pg_sleep(0.5)`;
    expect(await readLog()).toEqual([]);
    await other.run("commit");
    expect((await run).applied.map(({ tag }) => tag)).toEqual(["0003_add_again", "0004_log", "0005_log"]);
    expect(await readLog()).toEqual(["0004", "0005"]);
    expect(await appliedHashes(database.sql)).toEqual(MORE.map(({ sql }) => hashOf(sql ?? "")));
  });

  test("takes those behind it down with it when it fails for good", async () => {
    const { database, settings, readLog } = await prepareAgain();
    await database.sql`alter table t add column x text`;
    const error = await failureOf(migrate(settings));
    expect(error.state).toBe("nothing was applied; 0003_add_again was undone whole and is still pending");
    expect(await readLog()).toEqual([]);
    expect(await appliedHashes(database.sql)).toHaveLength(3);
    await database.sql`alter table t drop column x`;
    await migrate(settings);
    expect(await readLog()).toEqual(["0004", "0005"]);
  });

  test("is known as applied or not when the connection is lost", async () => {
    const { database, settings } = await prepareAgain();
    const other = await openOther(database.url, "reader");
    await other.run("begin; select * from t");
    const run = failureOf(migrate(settings));
    await untilBlocked(database.sql);
    await database.sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'migrator' and cardinality(pg_blocking_pids(pid)) > 0`;
    const error = await run;
    expect(error).toMatchObject({ code: "connection-lost" });
    expect(error.state).toBe("nothing was applied; 0003_add_again was undone whole");
  });
});

describe("what the runner has prepared", () => {
  const FORGETS = {
    "DEALLOCATE ALL": "CREATE TABLE t15 (n int); DEALLOCATE ALL;",
    "a function that does": "CREATE TABLE t15 (n int); DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$;",
    "DEALLOCATE ALL between two transactions": "BEGIN; CREATE TABLE t15 (n int); COMMIT; DEALLOCATE ALL;",
  };

  test.each(Object.entries(FORGETS))("may be forgotten by a migration: %s", async (_, sql) => {
    const files = withSql(many(40), 15, sql);
    const { database, events, settings } = await prepare(files);
    await migrate(settings);
    expect(await appliedHashes(database.sql)).toEqual(files.map((file) => hashOf(file.sql ?? "")));
    expect(await database.sql`select retries, outcome from drizzle.__drizzle_migrations_runs`).toEqual(
      files.map(() => ({ retries: 0, outcome: "done" })),
    );
    expect(events.filter(({ type }) => type === "retrying")).toEqual([]);
    // And undone, each by a row of its own.
    for (const { tag } of [...files].reverse().slice(0, 2))
      expect(await rollback({ ...settings })).toMatchObject({ rolledBack: [{ tag }] });
  });

  test("is what the log gets: words with quotes and backslashes in them, as for a few migrations", async () => {
    const files = many(12).map((file, index) => ({ ...file, tag: `${file.tag}_it's\\${index}` }));
    const { database, settings } = await prepare(files);
    await migrate(settings);
    const rows = await database.sql`select tag, hash, script_hash, direction, statements, error, completed
      from drizzle.__drizzle_migrations_runs order by id`;
    expect(rows).toEqual(
      files.map(({ tag, sql }) => ({
        ...{ tag, hash: hashOf(sql ?? ""), script_hash: hashOf(sql ?? "") },
        ...{ direction: "up", statements: 2, error: null, completed: null },
      })),
    );
  });

  test("is taken back in the end, and has names of its own in each run", async () => {
    const { url } = await createTestDatabase();
    const call = {
      template: {
        name: "add",
        types: ["integer", "integer"],
        sql: ([a, b]: readonly string[]) => `select ${a} + ${b} as sum`,
      },
      values: ["1", "2"],
    };
    await withUrl(url, async ({ sql }) => {
      const one = createPreparer(sql, "reset all");
      const other = createPreparer(sql, "reset all");
      expect(await sql.unsafe(one.sqlOf(call))).toEqual([{ sum: 3 }]);
      expect(await sql.unsafe(other.sqlOf({ ...call, values: ["3", "4"] }))).toEqual([{ sum: 7 }]);
      const left = "select statement from pg_prepared_statements";
      expect(await sql.unsafe(left)).toHaveLength(2);
      one.close();
      other.close();
      expect(await sql.unsafe(left)).toEqual([]);
    });
  });

  test("is asked for as itself, whatever a migration makes of the search_path", async () => {
    const trap = `CREATE SCHEMA trap; CREATE FUNCTION trap.pg_try_advisory_lock(int, int) RETURNS bool LANGUAGE sql AS 'SELECT false';
      CREATE FUNCTION trap.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT 'epoch'::timestamptz $$;
      SET search_path = trap, pg_catalog;`;
    const { database, settings } = await prepare(withSql(many(20), 12, trap));
    await migrate(settings);
    const [row] =
      await database.sql`select count(*)::int as runs, count(*) filter (where finished_at < started_at)::int as odd
      from drizzle.__drizzle_migrations_runs`;
    expect(row).toEqual({ runs: 20, odd: 0 });
  });
});
