import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createTestDatabase, type TestDatabase } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { type Event, migrate, rollback, type SettingsInput } from "../src/index.ts";
import { errorOf, runCli, startCli } from "./support/cli.ts";
import { failureOf, readEverything, readLedgerRows } from "./support/database.ts";
import { BREAKPOINT, type MigrationFiles, makeFolder, writeMigrations } from "./support/folder.ts";
import {
  expectNoRunner,
  openOther,
  readHits,
  readRunFacts,
  readValidity,
  until,
  untilBlocked,
  untilRuns,
} from "./support/sessions.ts";
import { temporaryFolder } from "./support/temporary.ts";
import { titled } from "./support/titled.ts";

const BASE: MigrationFiles = {
  tag: "0000_base",
  sql: "CREATE TABLE t (n int); CREATE TABLE u (n int); CREATE TABLE hits (at int GENERATED ALWAYS AS IDENTITY, n int); INSERT INTO t VALUES (0); INSERT INTO u VALUES (0);",
};

/** Needs a lock that any reader of the table stands in the way of, after having written something. */
const COLUMN: MigrationFiles = {
  tag: "0001_column",
  sql: `INSERT INTO hits (n) VALUES (1);${BREAKPOINT}ALTER TABLE t ADD COLUMN more int;`,
};

interface Place {
  readonly database: TestDatabase;
  readonly folder: string;
  readonly settings: SettingsInput;
  readonly args: readonly string[];
}

/** A database with the base applied, and a folder with one more migration. */
async function prepare(more: MigrationFiles): Promise<Place> {
  const database = await createTestDatabase();
  const folder = await makeFolder([BASE]);
  const settings = { migrations: folder, url: database.url };
  await migrate(settings);
  await writeMigrations(folder, [BASE, more]);
  return { database, folder, settings, args: ["migrate", "--migrations", folder, "--url", database.url] };
}

/** Runs `migrate` and keeps what it told. */
function listen(settings: SettingsInput): {
  readonly events: readonly Event[];
  readonly run: Promise<unknown>;
} {
  const events: Event[] = [];
  return { events, run: migrate({ ...settings, on: (event) => events.push(event) }) };
}

describe("a table that another session has locked", () => {
  test("for less than the budget: the migration is tried again and applied once", async () => {
    const place = await prepare(COLUMN);
    const { sql, url } = place.database;
    const other = await openOther(url, "billing service");
    await other.run("begin; select n from t");
    const cli = await startCli([...place.args, "--lock-timeout", "1s"]);
    await cli.untilItSays("trying again (attempt 3)");
    await other.run("commit");
    const result = await cli.done;
    expect(result).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("applied 1 migration") });
    const user = decodeURIComponent(new URL(url).username);
    expect(result.stderr).toMatch(
      new RegExp(
        `0001_column: canceling statement due to lock timeout; trying again \\(attempt 2\\); in the way: pid ${other.pid} \\(billing service, user ${user}, idle in transaction for \\d+ s: begin; select n from t\\)`,
      ),
    );
    expect(await readHits(sql)).toEqual([1]);
    const [, run] = await readRunFacts(sql);
    expect(run).toMatchObject({ tag: COLUMN.tag, outcome: "done" });
    expect(run?.retries).toBeGreaterThanOrEqual(2);
    expect(await readLedgerRows(sql)).toHaveLength(2);
  });

  test("for longer: exit 1 with who is in the way, nothing changed, and a later run finishes", async () => {
    const place = await prepare(COLUMN);
    const { sql, url } = place.database;
    const other = await openOther(url, "billing service");
    await other.run("begin; select n from t");
    const limits = ["--lock-timeout", "1s", "--retries", "2", "--json"];
    const result = await runCli([...place.args, ...limits]);
    expect(result.exitCode).toBe(1);
    const error = errorOf(result);
    expect(error).toMatchObject({ code: "statement-failed" });
    expect(error.message).toContain("0001_column.sql, statement 2 of 2, line 3");
    expect(error.details.join("\n")).toContain(
      `tried 3 times; in the way: pid ${other.pid} (billing service, `,
    );
    expect(error.state).toContain("0001_column was undone whole and is still pending");
    expect(error.fix).toContain("pg_terminate_backend");
    expect(await readHits(sql)).toEqual([]);
    expect(await readLedgerRows(sql)).toHaveLength(1);
    expect(await readRunFacts(sql)).toMatchObject([
      {},
      { tag: COLUMN.tag, outcome: "failed", retries: 2, error: expect.stringContaining("lock timeout") },
    ]);
    await expectNoRunner(sql);
    await other.run("commit");
    await migrate(place.settings);
    expect(await readHits(sql)).toEqual([1]);
  });

  test("--retry-for ends the tries by time", async () => {
    const place = await prepare(COLUMN);
    const other = await openOther(place.database.url, "billing service");
    await other.run("begin; select n from t");
    const limits = { lockTimeout: "100ms", retries: 1000, retryFor: "1s" };
    const started = performance.now();
    const { events, run } = listen({ ...place.settings, limits });
    const error = await failureOf(run);
    const tried = Number(
      /tried (\d+) times; in the way: pid \d+ \(billing service/.exec(error.details.join("\n"))?.[1],
    );
    // A try is told of where there is one.
    expect(events.filter(({ type }) => type === "retrying")).toHaveLength(tried - 1);
    const took = performance.now() - started;
    expect(took).toBeGreaterThan(400);
    expect(took).toBeLessThan(10_000);
  });

  test("0 retries tries once", async () => {
    const place = await prepare(COLUMN);
    const other = await openOther(place.database.url, "billing service");
    await other.run("begin; select n from t");
    const { events, run } = listen({ ...place.settings, limits: { lockTimeout: "1s", retries: 0 } });
    const error = await failureOf(run);
    expect(error.details.join("\n")).toContain("tried 1 time;");
    expect(events.filter(({ type }) => type === "retrying")).toEqual([]);
  });

  test("for less than the budget, before a rollback: it is tried again, too", async () => {
    const place = await prepare({ ...COLUMN, down: "ALTER TABLE t DROP COLUMN more; DELETE FROM hits;" });
    const { sql, url } = place.database;
    await migrate(place.settings);
    const other = await openOther(url, "billing service");
    await other.run("begin; select n from t");
    const run = rollback({ ...place.settings, limits: { lockTimeout: "200ms" } });
    const done = run.then(
      () => "done",
      (error: Error) => error.message,
    );
    await untilBlocked(sql);
    await sleep(300);
    await other.run("commit");
    expect(await done).toBe("done");
    expect(await readHits(sql)).toEqual([]);
  });

  test("a part of a divided file is tried again alone, and the parts before it do not run twice", async () => {
    const place = await prepare({
      tag: "0001_divided",
      sql: ["INSERT INTO hits (n) VALUES (1);", "CREATE INDEX CONCURRENTLY t_n ON t (n);", COLUMN.sql].join(
        BREAKPOINT,
      ),
    });
    const { sql, url } = place.database;
    const other = await openOther(url, "billing service");
    await other.run("begin; select n from t");
    const { events, run } = listen({ ...place.settings, limits: { lockTimeout: "200ms" } });
    await until("a retry", async () => events.some(({ type }) => type === "retrying"));
    await other.run("commit");
    await run;
    expect(await readHits(sql)).toEqual([1, 1]);
    expect(await readValidity(sql, "t")).toEqual({ t_n: true });
  });
});

describe("what passes by itself is tried again", () => {
  test("a deadlock", async () => {
    // A session looks for a deadlock once, some time after it has begun to wait: so the other one waits already.
    const untilWaitedFor = `DO $$ BEGIN IF nextval('tries') > 1 THEN RETURN; END IF;
      WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))
      LOOP PERFORM pg_sleep(0.02); END LOOP; END $$;`;
    const place = await prepare({
      tag: "0001_both",
      sql: [
        "SET LOCAL deadlock_timeout = '50ms'; UPDATE t SET n = n + 1;",
        untilWaitedFor,
        "UPDATE u SET n = n + 1;",
      ].join(BREAKPOINT),
    });
    const { sql, url } = place.database;
    await sql`create sequence tries`;
    const other = await openOther(url, "billing service");
    // The other session never looks, so the migration is the victim.
    await other.run("set deadlock_timeout = '60s'; begin; update u set n = n + 10");
    const { events, run } = listen(place.settings);
    await untilRuns(sql, "WHILE NOT EXISTS");
    await other.run("update t set n = n + 10; commit");
    await run;
    expect(events).toContainEqual(
      expect.objectContaining({ type: "retrying", tag: "0001_both", reason: "deadlock detected" }),
    );
    expect(await sql`select (select n from t) as t, (select n from u) as u`).toEqual([{ t: 11, u: 11 }]);
  });

  test("a serialization failure", async () => {
    const place = await prepare({
      tag: "0001_serial",
      sql: "DO $$ BEGIN INSERT INTO hits (n) VALUES (1);\nIF nextval('tries') < 3 THEN RAISE EXCEPTION 'try again' USING ERRCODE = '40001'; END IF; END $$;",
    });
    const { sql } = place.database;
    await sql`create sequence tries`;
    await migrate(place.settings);
    expect(await readHits(sql)).toEqual([1]);
    expect((await readRunFacts(sql)).at(-1)).toMatchObject({ outcome: "done", retries: 2 });
  });
});

describe("what does not pass is not tried again", () => {
  test.each(
    titled([
      {
        title: "a unique violation",
        sql: "CREATE UNIQUE INDEX ON t ((1)); INSERT INTO t VALUES (7);",
        says: "23505",
      },
      { title: "a syntax error", sql: "CRAETE TABLE x ();", says: "42601" },
      { title: "an unknown table", sql: "SELECT * FROM nowhere;", says: "42P01" },
      { title: "a raised exception", sql: "DO $$ BEGIN RAISE 'no'; END $$;", says: "P0001" },
      {
        title: "a statement that takes too long",
        sql: "SELECT pg_sleep(20);",
        says: "canceling statement due to statement timeout (57014)",
      },
      {
        title: "a lone statement that takes too long",
        sql: "CREATE INDEX CONCURRENTLY t_slow ON t ((slow(n)));",
        says: "canceling statement due to statement timeout (57014)",
      },
    ]),
  )("%s", async (_, { sql: text, says }) => {
    const place = await prepare({ tag: "0001_bad", sql: text });
    const { sql } = place.database;
    await sql.unsafe(
      "create function slow(n int) returns int immutable language plpgsql as 'begin perform pg_sleep(20); return n; end'",
    );
    const { events, run } = listen({ ...place.settings, limits: { statementTimeout: "1s" } });
    const error = await failureOf(run);
    expect(error).toMatchObject({ code: "statement-failed", exitCode: 1 });
    expect(error.details.join("\n")).toContain(says);
    expect(events.filter(({ type }) => type === "retrying")).toEqual([]);
    expect((await readRunFacts(sql)).at(-1)).toMatchObject({ retries: 0, error: expect.any(String) });
    expect(await readLedgerRows(sql)).toHaveLength(1);
    expect(await readValidity(sql, "t")).toEqual({});
    await writeMigrations(place.folder, [BASE, { tag: "0001_bad", sql: "SELECT 1;" }]);
    if ((await readRunFacts(sql)).at(-1)?.outcome === "failed") await migrate(place.settings);
  });
});

describe("limits", () => {
  /** What the server and the run log say of the limits in force: the file reads its own timeouts. */
  const SHOW: MigrationFiles = {
    tag: "0001_show",
    sql: "CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement;",
  };

  test.each(
    titled([
      { title: "5 s and none, unless said", config: {}, env: {}, flags: [], seen: ["5s", "0"] },
      {
        title: "from the config file",
        config: { lockTimeout: "1s", statementTimeout: "1min" },
        env: {},
        flags: [],
        seen: ["1s", "1min"],
      },
      {
        title: "from the environment, before the config file",
        config: { lockTimeout: "1s", statementTimeout: "1min" },
        env: { MIGRATOR_LOCK_TIMEOUT: "2s" },
        flags: [],
        seen: ["2s", "1min"],
      },
      {
        title: "from flags, before both",
        config: { lockTimeout: "1s", statementTimeout: "1min" },
        env: { MIGRATOR_LOCK_TIMEOUT: "2s", MIGRATOR_STATEMENT_TIMEOUT: "2min" },
        flags: ["--lock-timeout", "1500ms", "--statement-timeout=0"],
        seen: ["1500ms", "0"],
      },
    ]),
  )("of the server's waits: %s", async (_, { config, env, flags, seen }) => {
    const place = await prepare(SHOW);
    const cwd = await temporaryFolder();
    await writeFile(join(cwd, "migrator.config.js"), `export default ${JSON.stringify(config)};`);
    const result = await runCli([...place.args, ...flags], { cwd, env });
    expect(result).toMatchObject({ exitCode: 0, stderr: expect.not.stringContaining("error") });
    expect(await place.database.sql`select lock, statement from seen`).toEqual([
      { lock: seen[0], statement: seen[1] },
    ]);
  });

  test.each(
    titled([
      { title: "from the config file", config: { retries: 1 }, env: {}, flags: [], tried: 2 },
      {
        title: "from the environment, before the config file",
        config: { retries: 1 },
        env: { MIGRATOR_RETRIES: "0" },
        flags: [],
        tried: 1,
      },
      {
        title: "from flags, before both",
        config: { retries: 1 },
        env: { MIGRATOR_RETRIES: "0" },
        flags: ["--retries", "3"],
        tried: 4,
      },
      {
        title: "ended by --retry-for from the environment",
        config: { retries: 5, retryFor: "10min" },
        env: { MIGRATOR_RETRY_FOR: "1ms" },
        flags: [],
        tried: 1,
      },
    ]),
  )("of the tries: %s", async (_, { config, env, flags, tried }) => {
    const place = await prepare(COLUMN);
    const other = await openOther(place.database.url, "billing service");
    await other.run("begin; select n from t");
    const cwd = await temporaryFolder();
    const text = JSON.stringify({ lockTimeout: "50ms", ...config });
    await writeFile(join(cwd, "migrator.config.js"), `export default ${text};`);
    const result = await runCli([...place.args, ...flags], { cwd, env });
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain(`tried ${tried} time${tried === 1 ? "" : "s"}`);
  });

  test.each([
    ["--lock-timeout", "5"],
    ["--concurrent-lock-timeout", "1 fortnight"],
    ["--retries", "many"],
  ])("%s %s is refused by its name before anything is looked at", async (flag, value) => {
    const result = await runCli(["migrate", "--url", "postgres://127.0.0.1:1/x", `${flag}=${value}`]);
    expect(result).toMatchObject({ exitCode: 2, stdout: "" });
    expect(result.stderr).toContain(`${flag}: ${JSON.stringify(value)} is not a `);
  });
});

describe("CREATE INDEX CONCURRENTLY", () => {
  const INDEX: MigrationFiles = { tag: "0001_index", sql: "CREATE INDEX CONCURRENTLY t_n ON t (n);" };

  test("waits for an old snapshot beyond --lock-timeout, and says for whom", async () => {
    const place = await prepare(INDEX);
    const { sql, url } = place.database;
    const other = await openOther(url, "nightly report");
    await other.run("begin isolation level repeatable read; select * from u");
    const cli = await startCli([...place.args, "--lock-timeout", "100ms"]);
    await cli.untilItSays(`0001_index: waiting for pid ${other.pid} (nightly report, `);
    await untilBlocked(sql);
    await sleep(300);
    expect(await readEverything(sql)).toMatchObject({ runs: [{}, { outcome: "partial" }] });
    await other.run("commit");
    const result = await cli.done;
    expect(result).toMatchObject({ exitCode: 0 });
    expect(result.stderr).not.toContain("lock timeout");
    expect(result.stderr).not.toContain("trying again");
    expect(await readValidity(sql, "t")).toEqual({ t_n: true });
  });

  test("is given up at --concurrent-lock-timeout by the name of who is in the way, and a later run builds it", async () => {
    const place = await prepare(INDEX);
    const { sql, url } = place.database;
    const other = await openOther(url, "nightly report");
    await other.run("begin; insert into t values (1)");
    const limits = { concurrentLockTimeout: "1s", retries: 1 };
    const { events, run } = listen({ ...place.settings, limits });
    const done = failureOf(run);
    await until("the retry", async () => events.some(({ type }) => type === "retrying"));
    const error = await done;
    expect(error.details.join("\n")).toContain(`tried 2 times; in the way: pid ${other.pid} (nightly report`);
    await other.run("commit");
    await expectNoRunner(sql);
    await migrate(place.settings);
    expect(await readValidity(sql, "t")).toEqual({ t_n: true });
  });

  test("shows phase and percent while it builds", async () => {
    const place = await prepare({
      tag: "0001_index",
      sql: "CREATE INDEX CONCURRENTLY t_slow ON t (slow(n));",
    });
    const { sql } = place.database;
    await sql.unsafe(`insert into t select generate_series(1, 40);
      create function slow(n int) returns int immutable language plpgsql as 'begin perform pg_sleep(0.03); return n; end'`);
    const result = await runCli(place.args);
    expect(result.exitCode).toBe(0);
    expect(result.stderr).toMatch(/^0001_index: building index: scanning table(, \d+(\.\d+)? %)?$/m);
  });
});
