import { createTestDatabase } from "@repo/test-database";
import { describe, expect, onTestFinished, test } from "vitest";
import { messagesOf } from "../src/apply/messages.ts";
import type { Database } from "../src/database/connect.ts";
import { type Event, migrate } from "../src/index.ts";
import { failureOf, readTables } from "./support/database.ts";
import { BREAKPOINT, type MigrationFiles, makeFolder, tagsOf } from "./support/folder.ts";

const COUNT = 20;

/** Twenty tables, with other files in the places named. */
function among(others: Readonly<Record<number, string>>): readonly MigrationFiles[] {
  return Array.from({ length: COUNT }, (_, index) => ({
    tag: `${String(index).padStart(4, "0")}_f`,
    sql: others[index] ?? `CREATE TABLE t${index} (n int);`,
  }));
}

/** Files with texts that may not end where they end, or are too much for one message. Each makes a table of that name. */
const APART: Readonly<Record<string, (name: string) => string>> = {
  "a backslash before a quote": (name) => String.raw`CREATE TABLE ${name} AS SELECT E'it\'s' AS word;`,
  "a comment in a comment": (name) => `CREATE TABLE ${name} AS SELECT 'it''s' /* a /* b */ c */ AS word;`,
  "a body with semicolons of its own": (name) =>
    `CREATE FUNCTION ${name}() RETURNS text BEGIN ATOMIC SELECT 'it''s'; END;${BREAKPOINT}CREATE TABLE ${name} AS SELECT ${name}() AS word;`,
  "strings in which a backslash means something": (name) =>
    String.raw`SET standard_conforming_strings = off;${BREAKPOINT}CREATE TABLE ${name} AS SELECT 'it\'s' AS word;`,
  "much text": (name) => `CREATE TABLE ${name} AS SELECT 'it''s' AS word; -- ${"x".repeat(120_000)}`,
  "much text in many statements": (name) =>
    [
      ...Array.from(
        { length: 12 },
        (_, n) => `CREATE VIEW ${name}_${n} AS SELECT 1; -- ${"x".repeat(20_000)}`,
      ),
      `CREATE TABLE ${name} AS SELECT 'it''s' AS word;`,
    ].join(BREAKPOINT),
};

test.each(Object.entries(APART))("%s: runs among others, whole and in its order", async (_, sqlOf) => {
  const { url, sql } = await createTestDatabase();
  const files = among({ 0: sqlOf("first"), 7: sqlOf("middle"), 19: sqlOf("last") });
  const { applied } = await migrate({ migrations: await makeFolder(files), url });
  expect(applied.map(({ tag }) => tag)).toEqual(tagsOf(files));
  for (const name of ["first", "middle", "last"])
    expect(await sql.unsafe(`select word from ${name}`)).toEqual([{ word: "it's" }]);
});

test.each(Object.entries(APART))(
  "%s: leaves nothing when it fails, nor does what is behind it",
  async (_, sqlOf) => {
    const { url, sql } = await createTestDatabase();
    const files = among({ 3: `${sqlOf("middle")}${BREAKPOINT}SELECT 1 / 0;` });
    const error = await failureOf(migrate({ migrations: await makeFolder(files), url }));
    expect(error.message).toMatch(/^0003_f\.sql, statement (\d+) of \1, line \d+ failed$/);
    expect(error.details[0]).toBe("division by zero (22012)");
    expect(error.state).toBe(
      "0000_f, 0001_f, 0002_f were applied; 0003_f was undone whole and is still pending",
    );
    expect(await readTables(sql)).toEqual(["t0", "t1", "t2"]);
  },
);

describe("a text that is left open is refused, as it is alone", () => {
  test.each([
    ["a string", "SELECT 'a;", "';"],
    ["a comment", "SELECT 1 /* a", "b */;"],
    ["a bracket", "CREATE TABLE a (n int", ");"],
    ["a function's body", "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1;", "END;"],
    ["a rule's actions", "CREATE RULE r AS ON INSERT TO t0 DO ALSO (SELECT 1;", "SELECT 2);"],
  ])("%s", async (_, first, second) => {
    const { url, sql } = await createTestDatabase();
    const files = among({ 1: `CREATE TABLE before (n int);${BREAKPOINT}${first}${BREAKPOINT}${second}` });
    const error = await failureOf(migrate({ migrations: await makeFolder(files), url }));
    expect(error.message).toMatch(/^0001_f\.sql, statement 2 of 3, line /);
    expect(error.details[0]).toContain("(42601)");
    expect(await readTables(sql)).toEqual(["t0"]);
  });
});

describe("what failed is named by its line, also where a file has no breakpoints", () => {
  const TABLES =
    "-- 😀 two tables\nCREATE TABLE a (n int); -- one; two\n/* and\n more */\nCREATE TABLE b (n int);\n";
  test.each([
    [
      "where PostgreSQL points to",
      "SELECT 1,\n  nix;\nSELECT 2;",
      7,
      "  nix;",
      'column "nix" does not exist',
    ],
    [
      "where it points to nothing",
      "\n-- c\nSELECT 1 / 0;\nSELECT 2;",
      8,
      "SELECT 1 / 0;",
      "division by zero",
    ],
    [
      "where it is no SQL",
      "SELECT 1;\nSELEKT 2;\nSELECT 3;",
      7,
      "SELEKT 2;",
      'syntax error at or near "SELEKT"',
    ],
    [
      "where an earlier text holds the same",
      "CREATE TABLE a (n int);",
      6,
      "CREATE TABLE a (n int);",
      'relation "a" already exists',
    ],
  ])("%s", async (_, rest, line, shown, words) => {
    const { url } = await createTestDatabase();
    const migrations = await makeFolder([
      { tag: "0000_ä", sql: "CREATE TABLE z (n int);" },
      { tag: "0001_b", sql: `SELECT 'ä😀';${BREAKPOINT}${TABLES}${rest}` },
    ]);
    const error = await failureOf(migrate({ migrations, url }));
    expect(error.message).toBe(`0001_b.sql, statement 2 of 2, line ${line + 2} failed`);
    expect(error.details[0]).toContain(words);
    expect(error.details).toContain(`> ${shown}`);
  });
});

describe("what PostgreSQL cannot read, without a word on where", () => {
  const READABLE = `INSERT INTO t0 VALUES (1);${BREAKPOINT}`;
  test.each([
    [
      "something that it does not know yet",
      "\n\nCREATE ASSERTION a CHECK (1 = 1);",
      "not yet implemented (0A000)",
    ],
    [
      "arguments that do not go together",
      "CREATE FUNCTION f(OUT a int) RETURNS TABLE (b int) LANGUAGE sql AS 'SELECT 1, 2';",
      "(42601)",
    ],
    ["what has no end", "SELECT 1\nFROM", "syntax error at end of input (42601)"],
  ])("%s is named by its statement", async (_, broken, words) => {
    const { url, sql } = await createTestDatabase();
    const files = among({ 1: `${READABLE}${broken}${BREAKPOINT}SELECT 2;` });
    const events: Event[] = [];
    const migrations = await makeFolder(files);
    const error = await failureOf(migrate({ migrations, url, on: (event) => events.push(event) }));
    expect(error.message).toMatch(/^0001_f\.sql, statement 2 of 3, line \d+ failed$/);
    expect(error.details[0]).toContain(words);
    expect(await readTables(sql)).toEqual(["t0"]);
    // Such as that of a ROLLBACK where no transaction was begun.
    expect(events.filter((event) => event.type === "notice")).toEqual([]);
  });

  test("of a file in parts is named too, without a word on our own ROLLBACK", async () => {
    const { url } = await createTestDatabase();
    const parts = `${READABLE}CREATE INDEX CONCURRENTLY i ON t0 (n);${BREAKPOINT}CREATE ASSERTION a CHECK (1 = 1);`;
    const events: Event[] = [];
    const migrations = await makeFolder(among({ 1: parts }));
    const error = await failureOf(migrate({ migrations, url, on: (event) => events.push(event) }));
    expect(error.message).toMatch(/^0001_f\.sql, statement 3 of 3, line 5 failed$/);
    expect(events.filter((event) => event.type === "notice")).toEqual([]);
  });

  test.each([
    ["a character that the database has no place for", "LATIN1", "SELECT '☃';", 2, "(22P05)"],
    ["what stands behind others of several bytes", "SQL_ASCII", "SELECT 1,\n  nix;", 3, 'column "nix"'],
    ["no SQL behind others of several bytes", "SQL_ASCII", "SELECT 1;\nSELEKT 2;", 3, 'at or near "SELEKT"'],
  ])("%s is named by its line", async (_, encoding, broken, line, words) => {
    const { url, sql } = await createTestDatabase();
    const name = `encoded_${new URL(url).pathname.slice(1)}`.slice(0, 60);
    await sql.unsafe(
      `create database ${name} template template0 encoding '${encoding}' lc_collate 'C' lc_ctype 'C'`,
    );
    onTestFinished(async () => void (await sql.unsafe(`drop database ${name} with (force)`)));
    const own = Object.assign(new URL(url), { pathname: name });
    const files = [{ tag: "0000_f", sql: `SELECT '${"é".repeat(99)}';--> statement-breakpoint\n${broken}` }];
    const error = await failureOf(migrate({ migrations: await makeFolder(files), url: own.href }));
    expect(error.message).toBe(`0000_f.sql, statement 2 of 2, line ${line} failed`);
    expect(error.details[0]).toContain(words);
  });
});

test("how a file has the server read what it is sent holds for the rest of it, and for no other", async () => {
  const { url, sql } = await createTestDatabase();
  const migrations = await makeFolder([
    { tag: "0000_t", sql: "CREATE TABLE t (word text);" },
    { tag: "0001_latin", sql: `SET client_encoding = 'LATIN1';${BREAKPOINT}INSERT INTO t VALUES ('é');` },
    { tag: "0002_utf8", sql: "INSERT INTO t VALUES ('é');" },
  ]);
  await migrate({ migrations, url });
  // As Drizzle does, whose connection goes on sending UTF-8.
  expect(await sql`select word from t`).toEqual([{ word: "Ã©" }, { word: "é" }]);
});

test("what PostgreSQL says while it parses is told under the migration, once", async () => {
  const { url } = await createTestDatabase();
  const long = "a".repeat(70);
  const events: Event[] = [];
  const files = among({ 5: `CREATE TABLE ${long} (n int);` });
  await migrate({ migrations: await makeFolder(files), url, on: (event) => events.push(event) });
  expect(events.filter((event) => event.type === "notice")).toEqual([
    { type: "notice", tag: "0005_f", message: expect.stringContaining("will be truncated") },
  ]);
});

test("a plan that a file has cached and spoilt is the file's failure, and is tried once", async () => {
  const { url } = await createTestDatabase();
  const spoilt = [
    "CREATE TABLE a (n int);",
    "PREPARE p AS SELECT * FROM a;",
    "EXECUTE p;",
    "ALTER TABLE a ADD COLUMN m int;",
    "DO $$ BEGIN RAISE NOTICE 'once'; END $$;",
    "EXECUTE p;",
  ];
  const events: Event[] = [];
  const files = among({ 12: spoilt.join(BREAKPOINT) });
  const error = await failureOf(
    migrate({ migrations: await makeFolder(files), url, on: (event) => events.push(event) }),
  );
  expect(error.message).toContain("0012_f.sql, statement 6 of 6");
  expect(error.details[0]).toBe("cached plan must not change result type (0A000)");
  expect(events.filter((event) => event.type === "notice")).toHaveLength(1);
});

test("where it cannot be told which command of a text failed, all its lines are named", async () => {
  const { url } = await createTestDatabase();
  const body = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END;";
  const migrations = await makeFolder(among({ 1: `SELECT 1;${BREAKPOINT}${body}\n\nSELECT 1 / 0;` }));
  const error = await failureOf(migrate({ migrations, url }));
  expect(error.message).toBe("0001_f.sql, statement 2 of 2, lines 3 to 5 failed");
});

test("what is too much for one message is pointed to as well", async () => {
  const { url } = await createTestDatabase();
  const rows = (count: number) => `INSERT INTO t0 VALUES (1), ('2'); -- '\\n'\n`.repeat(count);
  const files = among({ 1: `${rows(3000)}INSERT INTO t0 VALUES (1 / 0);\n${rows(3000)}` });
  const error = await failureOf(migrate({ migrations: await makeFolder(files), url }));
  expect(error.message).toBe("0001_f.sql, statement 1 of 1, line 3001 failed");
  expect(error.details).toContain("> INSERT INTO t0 VALUES (1 / 0);");
});

test("a file divided into very many commands is divided in proportion to their number", async () => {
  const { url, sql } = await createTestDatabase();
  const rows = "INSERT INTO t0 VALUES (1);\n".repeat(10_000);
  const error = await failureOf(
    migrate({
      migrations: await makeFolder(among({ 1: `${rows}COMMIT;\nBEGIN;\n${rows}SELECT 1 / 0;` })),
      url,
    }),
  );
  expect(error.message).toContain("line 20003 failed");
  expect(await sql`select count(*)::int as rows from t0`).toEqual([{ rows: 10_000 }]);
});

test("a very long list of tags is told by its ends", async () => {
  const { url } = await createTestDatabase();
  const files = Array.from({ length: 30 }, (_, n) => ({
    tag: `${String(n).padStart(4, "0")}_f`,
    sql: n === 25 ? "SELECT 1 / 0;" : "SELECT 1;",
  }));
  const error = await failureOf(migrate({ migrations: await makeFolder(files), url }));
  expect(error.state).toBe(
    "0000_f to 0024_f (25 migrations) were applied; 0025_f was undone whole and is still pending",
  );
});

test.each([
  ["DO $$ BEGIN COMMIT; END $$;", "COMMIT; and BEGIN;"],
  ["SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(5);", "somebody has cancelled it"],
])("the fix fits: %s", async (sql, words) => {
  const { url } = await createTestDatabase();
  const error = await failureOf(migrate({ migrations: await makeFolder([{ tag: "0000_f", sql }]), url }));
  expect(error.fix).toContain(words);
});

test("rows that a file asks for are not taken for the runner's own", async () => {
  const { url } = await createTestDatabase();
  const migrations = await makeFolder([
    {
      tag: "0000_a",
      sql: `SELECT 'x' AS "durationMs", 'y' AS id; SHOW lock_timeout; SELECT n FROM generate_series(1, 3) n;`,
    },
    { tag: "0001_b", sql: `SELECT 1 AS "durationMs";${BREAKPOINT}SELECT 1 / 0;` },
  ]);
  const events: Event[] = [];
  const error = await failureOf(migrate({ migrations, url, on: (event) => events.push(event) }));
  expect(error.message).toContain("0001_b.sql, statement 2 of 2");
  expect(events.find((event) => event.type === "ran")).toMatchObject({
    tag: "0000_a",
    durationMs: expect.any(Number),
  });
});

test("a deferred constraint fails at the commit, which is named", async () => {
  const { url, sql } = await createTestDatabase();
  const migrations = await makeFolder([
    {
      tag: "0000_a",
      sql: "CREATE TABLE a (n int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO a VALUES (1), (1);",
    },
  ]);
  const error = await failureOf(migrate({ migrations, url }));
  expect(error.message).toBe("0000_a.sql, at its commit, failed");
  expect(await readTables(sql)).toEqual([]);
});

describe("what goes in one message", () => {
  const script = { fileName: "0000_a.sql", statements: [], hash: "" };
  const own = { sql: "select 1" };
  const step = (sql: string) => ({ sql, source: { script, statement: { sql, number: 1, line: 1 } } });
  const lengths = (...sqls: readonly string[]) =>
    messagesOf(database, [own, ...sqls.map(step), own]).map((message) => message.length);
  const database = { sql: { standardStrings: false } } as unknown as Database;
  test("is all of a usual migration", () => {
    expect(lengths("create table a (n int);", "select 'a;b'")).toEqual([4]);
  });
  test("is a text that may be left open alone", () => {
    expect(lengths("select 1", String.raw`select '\''`, "select 2", "select 3")).toEqual([2, 1, 3]);
    expect(lengths("select '")).toEqual([1, 1, 1]);
  });
  test("is no more than PostgreSQL parses in little memory", () => {
    const text = `select 1 -- ${"x".repeat(10_000)}`;
    expect(lengths(text, text, text, text, text)).toEqual([4, 3]);
    // The commands of one statement, too.
    expect(lengths(`${text}\n;`.repeat(5))).toEqual([4, 3]);
    expect(lengths(text, "x".repeat(33_000), text)).toEqual([2, 1, 2]);
  });
});
