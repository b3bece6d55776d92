import { createTestDatabase } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { type Pause, runTransaction, type TransactionOptions } from "../src/apply/execute.ts";
import type { Step } from "../src/apply/step-failures.ts";
import { readSettings } from "../src/config.ts";
import { BatchFailure } from "../src/database/batch.ts";
import { type Database, withUrl } from "../src/database/connect.ts";
import { withLock } from "../src/database/lock.ts";
import { type Event, migrate, rollback } from "../src/index.ts";
import { exists, failureOf } from "./support/database.ts";
import { makeFolder } from "./support/folder.ts";
import { expectNoRunner, untilRuns } from "./support/sessions.ts";

const LEDGER_NAME = { schema: "drizzle", table: "__drizzle_migrations" };
const WAITING = { on: () => {}, signal: new AbortController().signal };

const CANCELLED = "do $$ begin raise query_canceled; end $$";

/** A session to which a cancellation comes with texts that begin so. */
function cancelled(database: Database, ...beginnings: readonly string[]): Database {
  const textOf = (text: string) =>
    beginnings.some((beginning) => text.startsWith(beginning)) ? CANCELLED : text;
  const sql: Database["sql"] = {
    ...database.sql,
    unsafe: (text) => database.sql.unsafe(textOf(text)),
    signal: (text, onRow) => database.sql.signal(textOf(text), onRow),
    batch: (texts, ...how) =>
      database.sql.batch(
        texts.map((text) => ({ ...text, sql: textOf(text.sql) })),
        ...how,
      ),
  };
  return { ...database, sql };
}

describe("a cancellation that hits a transaction", () => {
  const STEPS = ["create table one (n int)", "insert into one values (1)"].map((sql) => ({ sql }));

  test.each([
    ["its BEGIN", ["begin"]],
    ["what resets the session", ["reset session"]],
    ["both", ["begin", "reset session"]],
    ["its BEGIN, and the ROLLBACK behind it", ["begin", "rollback"]],
    ["its first step", ["create table one"]],
  ])("leaves nothing of it: %s", async (_, beginnings) => {
    const { url, sql } = await createTestDatabase();
    const settings = await readSettings({ migrations: "nowhere", url });
    await withUrl(url, (database) =>
      withLock(database, LEDGER_NAME, 0, WAITING, async () => {
        await runTransaction({ database, settings }, [{ sql: "select 1" }]);
        const hit = { database: cancelled(database, ...beginnings), settings };
        expect(await failureOf(runTransaction(hit, STEPS))).toMatchObject({ code: "statement-failed" });
        expect(await exists(sql, "one")).toBe(false);
        // And what follows it passes, and is one transaction.
        await runTransaction({ database, settings }, STEPS);
        expect(
          await sql`select count(distinct xmin::text)::int as xids, count(*)::int as rows from one`,
        ).toEqual([{ xids: 1, rows: 1 }]);
      }),
    );
  });
});

describe("a cancellation that the server notices after the commit", () => {
  /** A session that says so of each batch, whatever became of it. */
  function late(database: Database): Database {
    const batch: Database["sql"]["batch"] = async (texts, ...how) => {
      const last = { index: texts.length - 1, position: undefined };
      const rows = await database.sql.batch(texts, ...how).catch((error: unknown) => error as BatchFailure);
      const cause = await database.sql.unsafe(CANCELLED).catch((error: unknown) => error);
      throw rows instanceof BatchFailure
        ? rows
        : new BatchFailure(cause, { ...last, rows: rows.slice(0, -1) });
    };
    return { ...database, sql: { ...database.sql, batch } };
  }

  async function run(steps: readonly Step[], options: TransactionOptions) {
    const { url, sql } = await createTestDatabase();
    const settings = await readSettings({ migrations: "nowhere", url });
    const calls: string[] = [];
    const pause = {
      after: 1,
      work: async () => {},
      onFailed: async () => void calls.push("failed"),
      onDone: () => void calls.push("done"),
    };
    const rows = await withUrl(url, (database) =>
      withLock(database, LEDGER_NAME, 0, WAITING, () =>
        runTransaction({ database: late(database), settings }, steps, {
          ...options,
          ...(options.pause ? { pause } : {}),
        }).catch((error: unknown) => error),
      ),
    );
    return { rows, calls, stands: await exists(sql, "one") };
  }

  const PAUSE = {} as Pause;
  const STEPS = [{ sql: "create table one (n int)" }, { sql: "select 7 as n" }];

  test("is none: what was committed stands, and its rows are told", async () => {
    expect(await run(STEPS, {})).toEqual({ rows: [[], [{ n: 7 }]], calls: [], stands: true });
  });

  test("is none where it was meant for the reset", async () => {
    const { url, sql } = await createTestDatabase();
    const settings = await readSettings({ migrations: "nowhere", url });
    await withUrl(url, (database) =>
      withLock(database, LEDGER_NAME, 0, WAITING, async () => {
        const signal: Database["sql"]["signal"] = async (...args) => {
          await database.sql.signal(...args);
          await database.sql.unsafe(CANCELLED);
        };
        await runTransaction(
          { database: { ...database, sql: { ...database.sql, signal } }, settings },
          STEPS,
        );
      }),
    );
    expect(await exists(sql, "one")).toBe(true);
  });

  test("is a failure where nothing was committed", async () => {
    expect(await run(STEPS, { end: "rollback" })).toMatchObject({
      rows: { code: "statement-failed" },
      stands: false,
    });
    // At the commit itself.
    const deferred =
      "create table two (n int unique deferrable initially deferred); insert into two values (1), (1)";
    expect(await run([...STEPS, { sql: deferred }], {})).toMatchObject({
      rows: { code: "statement-failed", details: expect.arrayContaining([expect.stringContaining("23505")]) },
      stands: false,
    });
  });

  test("in the middle of a transaction that pauses is a failure", async () => {
    expect(await run(STEPS, { pause: PAUSE })).toMatchObject({
      rows: { code: "statement-failed" },
      calls: ["failed"],
      stands: false,
    });
  });
});

describe("a migration that gives the lock up", () => {
  const FILES = [
    { tag: "0000_acc", sql: "CREATE TABLE acc (n int);" },
    {
      tag: "0001_data",
      sql: "INSERT INTO acc VALUES (1); SELECT pg_advisory_unlock_all(); SELECT pg_sleep(0.5);",
    },
  ];

  test("is undone whole, and says so", async () => {
    const { url, sql } = await createTestDatabase();
    const error = await failureOf(migrate({ migrations: await makeFolder(FILES), url }));
    expect(error).toMatchObject({
      code: "lock-lost",
      state: expect.stringContaining("0001_data was undone"),
    });
    expect(await sql`select from acc`).toEqual([]);
  });

  test("runs at most once, with another runner beside it", async () => {
    const { url, sql } = await createTestDatabase();
    const migrations = await makeFolder(FILES);
    const one = failureOf(migrate({ migrations, url }));
    await untilRuns(sql, "pg_sleep");
    await failureOf(migrate({ migrations, url }));
    await one;
    await expectNoRunner(sql);
    expect(await sql`select from acc`).toHaveLength(
      (await sql`select from drizzle.__drizzle_migrations`).length - 1,
    );
  });
});

test.each([
  [
    "trigger",
    "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER no BEFORE INSERT ON drizzle.__drizzle_migrations FOR EACH ROW EXECUTE FUNCTION no();",
  ],
  ["rule", "CREATE RULE no AS ON INSERT TO drizzle.__drizzle_migrations DO INSTEAD NOTHING;"],
])("a ledger that a %s keeps as it is: nothing is applied that it does not hold", async (_, sql) => {
  const database = await createTestDatabase();
  const migrations = await makeFolder([
    { tag: "0000_no", sql },
    { tag: "0001_next", sql: "CREATE TABLE next (n int);" },
  ]);
  const error = await failureOf(migrate({ migrations, url: database.url }));
  expect(error.code).toBe("statement-failed");
  expect(error.message).toMatch(
    /^0000_no\.sql: its statements ran, but ledger and run log could not be written/,
  );
  expect(await exists(database.sql, "next")).toBe(false);
});

test("what a down file sets for the session does not reach the next one, nor its trial", async () => {
  const database = await createTestDatabase();
  const migrations = await makeFolder([
    { tag: "0000_a", sql: "CREATE TABLE a (n int);", down: "DROP TABLE a;" },
    { tag: "0001_b", sql: "CREATE TABLE b (n int);", down: "SET search_path = ''; DROP TABLE public.b;" },
  ]);
  await migrate({ migrations, url: database.url });
  const events: Event[] = [];
  await rollback({ migrations, url: database.url, steps: 2, on: (event) => events.push(event) });
  expect(await exists(database.sql, "a")).toBe(false);
});
