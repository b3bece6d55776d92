import { createTestDatabase, type TestDatabase } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { lockKey } from "../src/database/lock.ts";
import { type Event, migrate, rollback } from "../src/index.ts";
import { type CliProcess, errorOf, startCli } from "./support/cli.ts";
import { failureOf, readLedgerRows, readSchemas, readTables } from "./support/database.ts";
import { BREAKPOINT, type MigrationFiles, makeFolder, THREE, tagsOf } from "./support/folder.ts";
import {
  expectNoRunner,
  openOther,
  readHits,
  readRunFacts,
  readValidity,
  untilBlocked,
  untilRuns,
  untilSleeps,
} from "./support/sessions.ts";
import { titled } from "./support/titled.ts";

const BASE: MigrationFiles = {
  tag: "0000_base",
  sql: "CREATE TABLE t (n int); CREATE TABLE hits (at int GENERATED ALWAYS AS IDENTITY, n int);",
};

/** Runs as long as the table `slow` says, so that a re-run is quick. */
const SLOW = "SELECT pg_sleep(coalesce((SELECT 30 WHERE to_regclass('quick') IS NULL), 0)) /* slow part */;";

const hit = (n: number) => `INSERT INTO hits (n) VALUES (${n});`;

async function start(
  files: readonly MigrationFiles[],
  ...flags: readonly string[]
): Promise<{ readonly database: TestDatabase; readonly cli: CliProcess; readonly args: readonly string[] }> {
  const database = await createTestDatabase();
  const args = ["migrate", "--migrations", await makeFolder(files), "--url", database.url];
  return { database, args, cli: await startCli([...args, ...flags]) };
}

/** Takes the migrators' lock as another runner would. */
async function takeLock(url: string): Promise<() => Promise<unknown>> {
  const { classId, objectId } = lockKey({ schema: "drizzle", table: "__drizzle_migrations" });
  const other = await openOther(url, "deploy 17");
  await other.run(`select pg_advisory_lock(${classId}, ${objectId})`);
  return () => other.run(`select pg_advisory_unlock(${classId}, ${objectId})`);
}

/** The same command line again, to its end. */
async function finish(database: TestDatabase, args: readonly string[]): Promise<void> {
  await database.sql`create table if not exists quick ()`;
  const again = await (await startCli(args)).done;
  expect(again).toMatchObject({ exitCode: 0 });
  await expectNoRunner(database.sql);
}

describe.each(["SIGINT", "SIGTERM"] as const)("%s", (signal) => {
  test("while the run waits for another runner: nothing is changed, and it ends at once", async () => {
    const database = await createTestDatabase();
    const release = await takeLock(database.url);
    const args = ["migrate", "--migrations", await makeFolder(THREE), "--url", database.url];
    const cli = await startCli(args);
    await cli.untilItSays("waiting for the migration lock");
    const sent = performance.now();
    cli.kill(signal);
    const result = await cli.done;
    expect(performance.now() - sent).toBeLessThan(10_000);
    expect(result).toMatchObject({ exitCode: 1, stdout: "" });
    expect(result.stderr).toContain(`${signal}: stopping`);
    expect(result.stderr).toContain("the run was interrupted while it waited for the migration lock");
    expect(result.stderr).toContain("state: nothing was changed");
    expect(await readSchemas(database.sql)).toEqual(["public"]);
    await release();
    await finish(database, args);
    expect(await readLedgerRows(database.sql)).toHaveLength(3);
  });

  test("while a statement runs: its migration is undone, those before it stand, and a line says so", async () => {
    const files = [BASE, { tag: "0001_slow", sql: `${hit(1)}${BREAKPOINT}${SLOW}${BREAKPOINT}${hit(2)}` }];
    const { database, cli, args } = await start(files);
    await untilRuns(database.sql, "slow part");
    const sent = performance.now();
    cli.kill(signal);
    const result = await cli.done;
    expect(performance.now() - sent).toBeLessThan(10_000);
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain("the run was interrupted");
    expect(result.stderr).toContain(
      "state: 0000_base was applied; 0001_slow was undone whole and is still pending",
    );
    await expectNoRunner(database.sql);
    expect(await readHits(database.sql)).toEqual([]);
    expect(await readLedgerRows(database.sql)).toHaveLength(1);
    await finish(database, args);
    expect(await readHits(database.sql)).toEqual([1, 2]);
  });

  test("while the table is locked by somebody else: no further try", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder([BASE, { tag: "0001_add", sql: "ALTER TABLE t ADD COLUMN more int;" }]);
    await migrate({ migrations: folder, url: database.url, to: BASE.tag });
    const other = await openOther(database.url, "reader");
    await other.run("begin; select * from t");
    const args = ["migrate", "--migrations", folder, "--url", database.url];
    const cli = await startCli([...args, "--lock-timeout", "200ms"]);
    await cli.untilItSays("trying again (attempt 2)");
    cli.kill(signal);
    const result = await cli.done;
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain("0001_add was undone whole and is still pending");
    await expectNoRunner(database.sql);
    await other.run("commit");
    await finish(database, args);
  });

  test("while an index is built CONCURRENTLY: what stands stands, and the re-run finishes it", async () => {
    const parts = [hit(1), "CREATE INDEX CONCURRENTLY t_n ON t (n);", hit(2)];
    const database = await createTestDatabase();
    const folder = await makeFolder([BASE, { tag: "0001_index", sql: parts.join(BREAKPOINT) }]);
    await migrate({ migrations: folder, url: database.url, to: BASE.tag });
    const other = await openOther(database.url, "writer");
    await other.run("begin; insert into t values (1)");
    const args = ["migrate", "--migrations", folder, "--url", database.url];
    const cli = await startCli(args);
    await untilBlocked(database.sql);
    cli.kill(signal);
    const result = await cli.done;
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain(
      "1 of the 3 parts of 0001_index stand; running again goes on with statement 2",
    );
    await expectNoRunner(database.sql);
    expect(await readHits(database.sql)).toEqual([1]);
    expect(await readLedgerRows(database.sql)).toHaveLength(1);
    await other.run("commit");
    await finish(database, args);
    expect(await readHits(database.sql)).toEqual([1, 2]);
    expect(await readValidity(database.sql, "t")).toEqual({ t_n: true });
  });
});

test("SIGKILL while an index is built CONCURRENTLY: the server notices within seconds, and holds the lock no longer", async () => {
  const database = await createTestDatabase();
  const folder = await makeFolder([
    BASE,
    { tag: "0001_index", sql: "CREATE INDEX CONCURRENTLY t_n ON t (n);" },
  ]);
  await migrate({ migrations: folder, url: database.url, to: BASE.tag });
  const other = await openOther(database.url, "writer");
  await other.run("begin; insert into t values (1)");
  const args = ["migrate", "--migrations", folder, "--url", database.url];
  const cli = await startCli(args);
  await untilBlocked(database.sql);
  cli.kill("SIGKILL");
  await cli.done;
  await expectNoRunner(database.sql);
  await other.run("commit");
  await finish(database, args);
  expect(await readValidity(database.sql, "t")).toEqual({ t_n: true });
});

test("with --json the document says what stands, too", async () => {
  const { database, cli } = await start([BASE, { tag: "0001_slow", sql: SLOW }], "--json");
  await untilRuns(database.sql, "slow part");
  cli.kill("SIGTERM");
  const result = await cli.done;
  expect(errorOf(result)).toMatchObject({
    code: "interrupted",
    state: "0000_base was applied; 0001_slow was undone whole and is still pending",
    fix: expect.stringContaining("run again"),
  });
  expect(await readRunFacts(database.sql)).toMatchObject([
    { tag: BASE.tag, outcome: "done" },
    { tag: "0001_slow", outcome: "failed", error: expect.stringContaining("interrupted") },
  ]);
});

test("a second signal ends the process at once, and the server undoes by itself", async () => {
  // A statement that does not listen to cancellation: the first signal has no effect.
  const stubborn = `DO $$ BEGIN WHILE to_regclass('quick') IS NULL LOOP BEGIN PERFORM pg_sleep(0.2);
    EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$;`;
  const { database, cli, args } = await start([BASE, { tag: "0001_stubborn", sql: `${hit(1)}${stubborn}` }]);
  await untilSleeps(database.sql, "0001_stubborn");
  cli.kill("SIGINT");
  await cli.untilItSays("once more stops at once");
  cli.kill("SIGINT");
  expect(await cli.done).toMatchObject({ exitCode: 1 });
  await database.sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name = 'migrator'`;
  await expectNoRunner(database.sql);
  expect(await readHits(database.sql)).toEqual([]);
  await finish(database, args);
  expect(await readHits(database.sql)).toEqual([1]);
});

describe("an AbortSignal, in library use", () => {
  test("aborted when the first is done: that one stands, the second is undone, the third is not begun", async () => {
    const database = await createTestDatabase();
    const controller = new AbortController();
    const events: Event[] = [];
    const [first, second, third] = THREE;
    const slow = { ...second, sql: `${second.sql}${BREAKPOINT}${SLOW}` };
    const settings = { migrations: await makeFolder([first, slow, third]), url: database.url };
    const error = await failureOf(
      migrate({
        ...settings,
        signal: controller.signal,
        on: (event) => {
          events.push(event);
          if (event.type === "ran") controller.abort();
        },
      }),
    );
    expect(error).toMatchObject({ code: "interrupted", exitCode: 1 });
    expect(error.state).toContain("0000_author was applied; 0001_author_born");
    expect(events.map(({ type }) => type)).toEqual(["problems", "planned", "ran"]);
    expect(await readTables(database.sql)).toEqual(["author"]);
    await expectNoRunner(database.sql);
    await database.sql`create table quick ()`;
    const rest = await migrate(settings);
    expect(rest.applied.map(({ tag }) => tag)).toEqual(tagsOf(THREE.slice(1)));
  });

  test.each(
    titled([
      { title: "before the call", delayMs: undefined },
      { title: "while a statement runs", delayMs: 500 },
    ]),
  )("aborted %s: the call is rejected, nothing is applied, no backend is left", async (_, { delayMs }) => {
    const database = await createTestDatabase();
    const folder = await makeFolder([{ tag: "0000_slow", sql: `CREATE TABLE a ();${BREAKPOINT}${SLOW}` }]);
    const signal = delayMs === undefined ? AbortSignal.abort() : AbortSignal.timeout(delayMs);
    const error = await failureOf(migrate({ migrations: folder, url: database.url, signal }));
    expect(error).toMatchObject({ code: "interrupted" });
    await expectNoRunner(database.sql);
    expect(await readTables(database.sql)).toEqual([]);
  });

  test("aborted during a rollback: the migration stays applied, whole", async () => {
    const database = await createTestDatabase();
    const base = { ...BASE, down: "DROP TABLE hits; DROP TABLE t;" };
    const settings = { migrations: await makeFolder([base]), url: database.url };
    await migrate(settings);
    const other = await openOther(database.url, "reader");
    const controller = new AbortController();
    await other.run("begin; select * from t");
    const run = failureOf(rollback({ ...settings, signal: controller.signal }));
    await untilBlocked(database.sql);
    const sent = performance.now();
    controller.abort();
    // The trial before it waits for the same table, and has to end like any other wait.
    expect(await run).toMatchObject({ code: "interrupted", exitCode: 1 });
    expect(performance.now() - sent).toBeLessThan(4_500);
    await other.run("commit");
    await expectNoRunner(database.sql);
    expect(await readTables(database.sql)).toEqual(["hits", "t"]);
    await rollback(settings);
    expect(await readTables(database.sql)).toEqual([]);
  });
});
