import { describe, expect, test } from "vitest";
import type { Script } from "../src/folder/read.ts";
import { type LoneStatement, segmentsOf } from "../src/folder/segments.ts";
import { splitStatements } from "../src/folder/statements.ts";
import { failureOf } from "./support/database.ts";
import { BREAKPOINT, hashOf } from "./support/folder.ts";
import { titled } from "./support/titled.ts";

/** A file as `readFolder` gives it. */
function scriptOf(text: string): Script {
  return { fileName: "0007_x.sql", hash: hashOf(text), statements: splitStatements(text) };
}

/** A transaction as the list of its statements, a lone statement as its kind and text. */
async function shapeOf(text: string): Promise<readonly (string | readonly string[])[]> {
  const segments = await segmentsOf(scriptOf(text));
  return segments.map((segment) =>
    segment.transactional
      ? segment.statements.map(({ sql }) => sql)
      : `${segment.kind.type}: ${segment.statement.sql}`,
  );
}

const TABLE = "CREATE TABLE a (id int);";

describe("a file of one transaction", () => {
  test.each(
    titled([
      { title: "an empty file", text: "", found: [[]] },
      { title: "plain statements", text: `${TABLE}${BREAKPOINT}SELECT 1;`, found: [[TABLE, "SELECT 1;"]] },
      {
        title: "CREATE INDEX without CONCURRENTLY",
        text: "CREATE INDEX i ON a (id); -- not concurrently",
        found: [["CREATE INDEX i ON a (id); -- not concurrently"]],
      },
      {
        title: "DROP INDEX without CONCURRENTLY, on a table called cluster",
        text: 'DROP INDEX i; ALTER TABLE "cluster" ADD COLUMN "start" int;',
        found: [['DROP INDEX i; ALTER TABLE "cluster" ADD COLUMN "start" int;']],
      },
      { title: "ANALYZE", text: "ANALYZE a; -- no vacuum", found: [["ANALYZE a; -- no vacuum"]] },
      {
        title: "COPY from and to a file of the server",
        text: "COPY a FROM '/stdin'; COPY a TO PROGRAM 'cat > stdout';",
        found: [["COPY a FROM '/stdin'; COPY a TO PROGRAM 'cat > stdout';"]],
      },
      {
        title: "DETACH PARTITION without CONCURRENTLY",
        text: "ALTER TABLE a DETACH PARTITION b; -- concurrently?",
        found: [["ALTER TABLE a DETACH PARTITION b; -- concurrently?"]],
      },
      {
        title: "savepoints",
        text: "SAVEPOINT s; SELECT 1; ROLLBACK TO SAVEPOINT s; RELEASE s;",
        found: [["SAVEPOINT s; SELECT 1; ROLLBACK TO SAVEPOINT s; RELEASE s;"]],
      },
      {
        title: "a prepared statement",
        text: "PREPARE p AS SELECT 1; EXECUTE p; DEALLOCATE p;",
        found: [["PREPARE p AS SELECT 1; EXECUTE p; DEALLOCATE p;"]],
      },
      {
        title: "the words in line comments and in nested block comments",
        text: `-- CREATE INDEX CONCURRENTLY\n/* COMMIT; /* VACUUM; */ ROLLBACK; */ ${TABLE}`,
        found: [[`-- CREATE INDEX CONCURRENTLY\n/* COMMIT; /* VACUUM; */ ROLLBACK; */ ${TABLE}`]],
      },
      {
        title: "the words in strings of each kind",
        text: "SELECT 'x; COMMIT;', E'it\\'s; ROLLBACK;', $$ VACUUM; $$, U&'; BEGIN;', 'a''; ABORT; ''b';",
        found: [
          ["SELECT 'x; COMMIT;', E'it\\'s; ROLLBACK;', $$ VACUUM; $$, U&'; BEGIN;', 'a''; ABORT; ''b';"],
        ],
      },
      {
        title: "the words in identifiers",
        text: 'CREATE TABLE "commit; rollback" (system int, "vacuum" text, database text);',
        found: [['CREATE TABLE "commit; rollback" (system int, "vacuum" text, database text);']],
      },
      {
        title: "BEGIN and END of a function's body",
        text: "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $body$ BEGIN RETURN 1; END; $body$;",
        found: [["CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $body$ BEGIN RETURN 1; END; $body$;"]],
      },
      {
        title: "BEGIN ATOMIC of a function in standard SQL",
        text: "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END;",
        found: [["CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END;"]],
      },
      {
        title: "CASE … END",
        text: "SELECT CASE WHEN true THEN 1 END;",
        found: [["SELECT CASE WHEN true THEN 1 END;"]],
      },
      {
        title: "a DO block that only speaks of an index CONCURRENTLY",
        text: "DO $$ BEGIN EXECUTE 'CREATE INDEX CONCURRENTLY i ON a (id)'; END $$;",
        found: [["DO $$ BEGIN EXECUTE 'CREATE INDEX CONCURRENTLY i ON a (id)'; END $$;"]],
      },
      {
        title: "text that the parser does not know, which the server judges",
        text: `COMMIT WORK PLEASE;${BREAKPOINT}CREATE INDEX CONCURRENTLY ON;`,
        found: [["COMMIT WORK PLEASE;", "CREATE INDEX CONCURRENTLY ON;"]],
      },
      {
        title: "BEGIN … COMMIT around all of it, as pg_dump and people write it",
        text: `BEGIN;\n${TABLE}\nSELECT 1;\nCOMMIT;`,
        found: [["CREATE TABLE a (id int)", "SELECT 1"]],
      },
      { title: "COMMIT alone", text: "COMMIT;", found: [[]] },
    ]),
  )("%s", async (_, { text, found }) => {
    expect(await shapeOf(text)).toEqual(found);
  });
});

describe("a file that is divided", () => {
  test.each(
    titled([
      {
        title: "at an index that is built CONCURRENTLY between transactions",
        text: [
          TABLE,
          "INSERT INTO a VALUES (1);",
          "CREATE INDEX CONCURRENTLY i ON a (id);",
          "SELECT 2;",
        ].join(BREAKPOINT),
        found: [
          [TABLE, "INSERT INTO a VALUES (1);"],
          "create-index: CREATE INDEX CONCURRENTLY i ON a (id)",
          ["SELECT 2;"],
        ],
      },
      {
        title: "within a chunk, at commands without a breakpoint",
        text: `${TABLE} CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY s.a (id); SELECT 2;`,
        found: [
          ["CREATE TABLE a (id int)"],
          "create-index: CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY s.a (id)",
          ["SELECT 2"],
        ],
      },
      {
        title: "between two lone statements, without an empty transaction",
        text: `drop index concurrently i;${BREAKPOINT}drop index concurrently if exists s.j;`,
        found: ["drop-index: drop index concurrently i", "drop-index: drop index concurrently if exists s.j"],
      },
      {
        title: "at REINDEX CONCURRENTLY in both spellings",
        text: "REINDEX INDEX CONCURRENTLY i; REINDEX (CONCURRENTLY, VERBOSE) TABLE a;",
        found: [
          "reindex-concurrently: REINDEX INDEX CONCURRENTLY i",
          "reindex-concurrently: REINDEX (CONCURRENTLY, VERBOSE) TABLE a",
        ],
      },
      {
        title: "at REINDEX and CLUSTER, which no transaction takes for a partitioned table or a schema",
        text: "REINDEX SCHEMA public; REINDEX TABLE a; CLUSTER a USING i;",
        found: ["other: REINDEX SCHEMA public", "other: REINDEX TABLE a", "other: CLUSTER a USING i"],
      },
      {
        title: "at DETACH PARTITION CONCURRENTLY",
        text: "ALTER TABLE s.a DETACH PARTITION b CONCURRENTLY;",
        found: ["detach-partition: ALTER TABLE s.a DETACH PARTITION b CONCURRENTLY"],
      },
      {
        title: "at VACUUM, also with ANALYZE",
        text: "VACUUM a; VACUUM (ANALYZE) a; ANALYZE a;",
        found: ["other: VACUUM a", "other: VACUUM (ANALYZE) a", ["ANALYZE a"]],
      },
      {
        title: "at CLUSTER of everything",
        text: "CLUSTER;",
        found: ["other: CLUSTER"],
      },
      {
        title: "at what belongs to the whole server",
        text: [
          ...["ALTER SYSTEM SET work_mem = '8MB';", "CREATE DATABASE d;", "DROP DATABASE IF EXISTS d;"],
          ...["CREATE TABLESPACE t LOCATION '/t';", "DROP TABLESPACE t;"],
          ...["CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p;", "DROP SUBSCRIPTION s;"],
        ].join("\n"),
        found: [
          ...["other: ALTER SYSTEM SET work_mem = '8MB'", "create-database: CREATE DATABASE d"],
          ...["drop-database: DROP DATABASE IF EXISTS d", "other: CREATE TABLESPACE t LOCATION '/t'"],
          ...["other: DROP TABLESPACE t", "other: CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p"],
          "other: DROP SUBSCRIPTION s",
        ],
      },
      {
        title: "at COMMIT and BEGIN, which somebody wrote to get out of Drizzle's transaction",
        text: ["SELECT 1;", "COMMIT;", "CREATE INDEX CONCURRENTLY i ON a (id);", "BEGIN;", "SELECT 2;"].join(
          BREAKPOINT,
        ),
        found: [["SELECT 1;"], "create-index: CREATE INDEX CONCURRENTLY i ON a (id)", ["SELECT 2;"]],
      },
      {
        title: "at COMMIT and BEGIN in every spelling",
        text: "SELECT 1; COMMIT WORK; SELECT 2; END; START TRANSACTION; SELECT 3; COMMIT AND NO CHAIN; SELECT 4;",
        found: [["SELECT 1"], ["SELECT 2"], ["SELECT 3"], ["SELECT 4"]],
      },
      {
        title: "at the transactions that a file holds itself",
        text: "BEGIN; SELECT 1; SELECT 2; COMMIT; BEGIN TRANSACTION; SELECT 3; COMMIT;",
        found: [["SELECT 1", "SELECT 2"], ["SELECT 3"]],
      },
      {
        title: "after multi-byte text, which the parser counts in bytes",
        text: "SELECT 'Straße 🧱'; COMMENT ON TABLE a IS 'größer'; VACUUM \"Maße\"; SELECT '→';",
        found: [
          ["SELECT 'Straße 🧱'", "COMMENT ON TABLE a IS 'größer'"],
          'other: VACUUM "Maße"',
          ["SELECT '→'"],
        ],
      },
      {
        title: "with Windows line ends",
        text: "SELECT 1;\r\nVACUUM a;\r\nSELECT 2;\r\n",
        found: [["SELECT 1"], "other: VACUUM a", ["SELECT 2"]],
      },
      {
        title: "in one chunk, although the server alone can judge another",
        text: `SELECT FROM WHERE;${BREAKPOINT}VACUUM a;`,
        found: [["SELECT FROM WHERE;"], "other: VACUUM a"],
      },
    ]),
  )("%s", async (_, { text, found }) => {
    expect(await shapeOf(text)).toEqual(found);
  });
});

describe("what a cut run has to know of a lone statement", () => {
  test.each(
    titled<{ readonly title: string; readonly text: string; readonly kind: LoneStatement["kind"] }>([
      {
        title: "index, schema and table of a build",
        text: 'CREATE INDEX CONCURRENTLY "I x" ON "S".a (id);',
        kind: { type: "create-index", index: "I x", schema: "S", table: "a" },
      },
      {
        title: "the table of a build whose index PostgreSQL names",
        text: "CREATE INDEX CONCURRENTLY ON A (id);",
        kind: { type: "create-index", index: undefined, schema: undefined, table: "a" },
      },
      {
        title: "all indexes of a drop",
        text: 'DROP INDEX CONCURRENTLY "S"."I";',
        kind: { type: "drop-index", indexes: [["S", "I"]] },
      },
      {
        title: "the target of a REINDEX",
        text: "REINDEX TABLE CONCURRENTLY s.a;",
        kind: { type: "reindex-concurrently", target: { isIndex: false, name: ["s", "a"] } },
      },
      {
        title: "both tables of a DETACH",
        text: "ALTER TABLE s.a DETACH PARTITION p.b CONCURRENTLY;",
        kind: { type: "detach-partition", parent: ["s", "a"], partition: ["p", "b"] },
      },
    ]),
  )("%s", async (_, { text, kind }) => {
    expect(await segmentsOf(scriptOf(text))).toMatchObject([{ transactional: false, kind }]);
  });
});

test("each command keeps the line it stands on and the number of its chunk", async () => {
  const text = `-- größer\nSELECT 1;\n\n  SELECT '🧱\n';\nVACUUM a;\n--> statement-breakpoint\n\nCOMMIT;\n-- last\nSELECT 3;`;
  const segments = await segmentsOf(scriptOf(text));
  const places = segments.map((segment) => {
    const statements = segment.transactional ? segment.statements : [segment.statement];
    return statements.map(({ number, line, sql }) => [number, line, sql]);
  });
  expect(places).toEqual([
    [
      [1, 2, "SELECT 1"],
      [1, 4, "SELECT '🧱\n'"],
    ],
    [[1, 6, "VACUUM a"]],
    [[2, 11, "SELECT 3"]],
  ]);
});

test("what a part sets for the session goes along to the parts after it, in order; what it sets locally does not", async () => {
  const text = [
    "SET search_path = app; SET LOCAL x.y = 1; SELECT 1;",
    "VACUUM a;",
    "SET ROLE r;",
    "COMMIT;",
    "SELECT pg_catalog.set_config('x.z', '1', false);",
    "RESET ROLE;",
    "CREATE INDEX CONCURRENTLY i ON a (id);",
  ].join(BREAKPOINT);
  const segments = await segmentsOf(scriptOf(text));
  expect(segments.map(({ settings }) => settings.map(({ sql, number }) => [number, sql]))).toEqual([
    [],
    [[1, "SET search_path = app"]],
    [[1, "SET search_path = app"]],
    [
      [1, "SET search_path = app"],
      [3, "SET ROLE r"],
    ],
    [
      [1, "SET search_path = app"],
      [3, "SET ROLE r"],
      [5, "SELECT pg_catalog.set_config('x.z', '1', false)"],
      [6, "RESET ROLE"],
    ],
  ]);
});

describe("what no migration can hold is refused, with its place", () => {
  test.each(
    titled([
      { title: "ROLLBACK", command: "ROLLBACK;" },
      { title: "ABORT", command: "ABORT;" },
      { title: "ROLLBACK AND CHAIN", command: "ROLLBACK AND CHAIN;" },
      { title: "PREPARE TRANSACTION", command: "PREPARE TRANSACTION 'x';" },
      { title: "COMMIT PREPARED", command: "COMMIT PREPARED 'x';" },
      { title: "ROLLBACK PREPARED", command: "ROLLBACK PREPARED 'x';" },
      { title: "DISCARD ALL", command: "DISCARD ALL;" },
      { title: "BEGIN with options, which ours has not", command: "BEGIN ISOLATION LEVEL SERIALIZABLE;" },
      { title: "START TRANSACTION with options", command: "START TRANSACTION READ ONLY;" },
      { title: "COPY FROM STDIN, for which there is no data", command: "COPY a FROM STDIN;" },
      { title: "COPY TO STDOUT, which nobody reads", command: "COPY (SELECT 1) TO STDOUT;" },
    ]),
  )("%s", async (_, { command }) => {
    const error = await failureOf(segmentsOf(scriptOf(`SELECT 1;${BREAKPOINT}SELECT 2;\n${command}`)));
    expect(error).toMatchObject({ code: "forbidden-statement", exitCode: 2, state: "nothing was changed" });
    expect(error.message).toMatch(/^0007_x\.sql, statement 2 of 2, line 4: /);
  });
});
