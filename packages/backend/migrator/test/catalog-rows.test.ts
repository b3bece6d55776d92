import { createTestDatabase, type TestDatabase } from "@repo/test-database";
import { expect, test } from "vitest";
import type { Catalog } from "../src/catalog/catalog.ts";
import { compareCatalogs } from "../src/catalog/compare.ts";
import { readCatalog } from "../src/catalog/read.ts";
import { withUrl } from "../src/database/connect.ts";

/** What the remedies do to a database that has rows. */
const CASES: readonly {
  readonly name: string;
  /** The schema, and the rows that are there before the change. */
  readonly given: string;
  readonly change: string;
  /** What has to run after all remedies. */
  readonly after: string;
  readonly rows: string;
  readonly gives: readonly object[];
}[] = [
  {
    name: "a serial column that became an identity",
    given: "CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t DEFAULT VALUES",
    change: `ALTER TABLE t ALTER id DROP DEFAULT; DROP SEQUENCE t_id_seq; ALTER TABLE t ALTER id ADD GENERATED ALWAYS AS IDENTITY (START 2);
      INSERT INTO t DEFAULT VALUES`,
    after: "INSERT INTO t DEFAULT VALUES",
    rows: "SELECT id FROM t ORDER BY id",
    gives: [{ id: 1 }, { id: 2 }, { id: 3 }],
  },
  {
    name: "a serial column that became an identity and kept its sequence",
    given: "CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t DEFAULT VALUES",
    change: `ALTER TABLE t ALTER id DROP DEFAULT; ALTER TABLE t ALTER id ADD GENERATED ALWAYS AS IDENTITY (START 2);
      INSERT INTO t DEFAULT VALUES`,
    after: "INSERT INTO t DEFAULT VALUES",
    rows: "SELECT id FROM t ORDER BY id",
    gives: [{ id: 1 }, { id: 2 }, { id: 3 }],
  },
  {
    name: "an identity that became serial",
    given: "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY); INSERT INTO t DEFAULT VALUES",
    change: `ALTER TABLE t ALTER id DROP IDENTITY; CREATE SEQUENCE t_id_seq AS integer START 2 OWNED BY t.id;
      ALTER TABLE t ALTER id SET DEFAULT nextval('t_id_seq'); INSERT INTO t DEFAULT VALUES`,
    after: "INSERT INTO t DEFAULT VALUES",
    rows: "SELECT id FROM t ORDER BY id",
    gives: [{ id: 1 }, { id: 2 }, { id: 3 }],
  },
  {
    name: "a falling identity that is gone",
    given:
      "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY (INCREMENT -1) PRIMARY KEY); INSERT INTO t DEFAULT VALUES",
    change: "ALTER TABLE t ALTER id DROP IDENTITY",
    after: "INSERT INTO t DEFAULT VALUES",
    rows: "SELECT id FROM t ORDER BY id",
    gives: [{ id: -2 }, { id: -1 }],
  },
  {
    name: "a dropped sequence",
    given: "CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t DEFAULT VALUES",
    change: "DROP SEQUENCE t_id_seq CASCADE",
    after: "INSERT INTO t DEFAULT VALUES",
    rows: "SELECT id FROM t ORDER BY id",
    gives: [{ id: 1 }, { id: 2 }],
  },
  {
    name: "a renamed table",
    given:
      "CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t DEFAULT VALUES; CREATE TABLE u (t int REFERENCES t); INSERT INTO u VALUES (1)",
    change: "ALTER TABLE t RENAME TO s; CREATE VIEW t AS SELECT * FROM s",
    after: "INSERT INTO t DEFAULT VALUES",
    rows: "SELECT id, u.t FROM t LEFT JOIN u ON u.t = id ORDER BY id",
    gives: [
      { id: 1, t: 1 },
      { id: 2, t: null },
    ],
  },
  {
    name: "a table that inherits no more",
    given: "CREATE TABLE p (a int); CREATE TABLE c () INHERITS (p); INSERT INTO c VALUES (1)",
    change: "ALTER TABLE c NO INHERIT p",
    after: "INSERT INTO c VALUES (2)",
    rows: "SELECT a FROM p ORDER BY a",
    gives: [{ a: 1 }, { a: 2 }],
  },
  {
    name: "a renamed enum",
    given: "CREATE TYPE e AS ENUM ('a', 'b'); CREATE TABLE t (e e, f e[]); INSERT INTO t VALUES ('a', '{b}')",
    change: "ALTER TYPE e RENAME TO g",
    after: "INSERT INTO t VALUES ('b'::e, NULL)",
    rows: "SELECT e, f::text FROM t",
    gives: [
      { e: "a", f: "{b}" },
      { e: "b", f: null },
    ],
  },
];

test.concurrent.each(CASES)("$name is put right with its rows", async (one) => {
  const database = await createTestDatabase();
  await database.sql.unsafe(one.given);
  const expected = await catalogOf(database);
  await database.sql.unsafe(one.change);
  const found = await compareCatalogs(expected, await catalogOf(database));
  expect(found.some(({ remedy }) => remedy.losesData)).toBe(false);
  for (const sql of found.flatMap(({ remedy }) => remedy.sql)) await database.sql.unsafe(sql);
  expect(await compareCatalogs(expected, await catalogOf(database))).toEqual([]);
  await database.sql.unsafe(one.after);
  expect([...(await database.sql.unsafe(one.rows))]).toEqual(one.gives);
});

test("a column that rows need a value of is added, and waits for the values", async () => {
  const database = await createTestDatabase();
  await database.sql.unsafe("CREATE TABLE t (a int, b int NOT NULL); INSERT INTO t VALUES (1, 2)");
  const expected = await catalogOf(database);
  await database.sql.unsafe("ALTER TABLE t DROP COLUMN b");
  const [missing] = await compareCatalogs(expected, await catalogOf(database));
  const [add = "", demand = ""] = missing?.remedy.sql ?? [];
  await database.sql.unsafe(add);
  expect(demand).toContain("rows that are there need values");
  await expect(database.sql.unsafe(demand)).rejects.toMatchObject({ code: "23502" });
  await database.sql.unsafe("UPDATE t SET b = 3");
  await database.sql.unsafe(demand);
  expect(await compareCatalogs(expected, await catalogOf(database))).toEqual([]);
});

function catalogOf({ url }: TestDatabase): Promise<Catalog> {
  return withUrl(url, (database) => readCatalog(database));
}
