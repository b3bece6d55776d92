import { createTestDatabase } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { messagesOf } from "../src/apply/messages.ts";
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
    messagesOf([own, ...sqls.map(step), own]).map((message) => message.length);
  test("is all of a usual migration", () => {
    expect(lengths("create table a (n int);", "select 'a;b'")).toEqual([4]);
  });
  test("is a text that may be left open alone", () => {
    expect(lengths("select 1", String.raw`select E'\''`, "select 2", "select 3")).toEqual([2, 1, 3]);
    expect(lengths("select '")).toEqual([1, 1, 1]);
  });
  test("is no more than PostgreSQL parses in little memory", () => {
    const text = `select 1 -- ${"x".repeat(10_000)}`;
    expect(lengths(text, text, text, text, text)).toEqual([4, 3]);
    expect(lengths(text, "x".repeat(33_000), text)).toEqual([2, 1, 2]);
  });
});
