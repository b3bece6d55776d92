import { createTestDatabase } from "@repo/test-database";
import { expect, test } from "vitest";
import { withUrl } from "../src/database/connect.ts";
import type { Session } from "../src/database/session.ts";
import { updateFacts } from "../src/review/changes.ts";
import { installLook, type Look, readChanged, readFacts, type SchemaFacts } from "../src/review/facts.ts";

const BASE = `
CREATE SCHEMA shop; CREATE SCHEMA store;
CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN amount AS int CONSTRAINT positive CHECK (VALUE > 0);
CREATE TABLE parent (id int PRIMARY KEY, note text DEFAULT 'x', long text);
CREATE TABLE child (id serial PRIMARY KEY, parent_id int CONSTRAINT child_fk REFERENCES parent, n amount, m mood, UNIQUE (n));
CREATE TABLE other (id int, parent_id int, CONSTRAINT other_fk FOREIGN KEY (parent_id) REFERENCES parent);
CREATE TABLE shop.item (id serial PRIMARY KEY, label text); CREATE INDEX item_label ON shop.item (lower(label));
CREATE TABLE part (id int, at date) PARTITION BY RANGE (at); CREATE INDEX part_id ON part (id);
CREATE TABLE part_1 (id int, at date); CREATE VIEW seen AS SELECT id FROM child;
CREATE TABLE gone (id int PRIMARY KEY, t text); CREATE MATERIALIZED VIEW kept AS SELECT 1 AS one;
`;

/** One transaction: each is seen behind those before it. */
const STATEMENTS = [
  "ALTER TABLE child ADD COLUMN extra int DEFAULT 5",
  "ALTER TABLE child ALTER COLUMN extra SET NOT NULL",
  "ALTER TABLE child RENAME COLUMN extra TO more",
  "ALTER TABLE child DROP COLUMN more",
  "ALTER TABLE parent ALTER COLUMN note DROP DEFAULT; ALTER TABLE child ENABLE ROW LEVEL SECURITY",
  "CREATE POLICY everybody ON child USING (true)",
  "ALTER TABLE parent ALTER COLUMN id TYPE bigint",
  "CREATE TABLE made (id int PRIMARY KEY, t text, CHECK (id > 0)); CREATE INDEX ON made (t)",
  "DROP INDEX made_t_idx; ALTER TABLE made DROP CONSTRAINT made_id_check",
  "ALTER INDEX shop.item_label RENAME TO item_by_label",
  "ALTER TABLE shop.item SET SCHEMA store",
  "ALTER SCHEMA store RENAME TO stock",
  "TRUNCATE other",
  "ALTER TABLE other DROP CONSTRAINT other_fk",
  "ALTER DOMAIN amount DROP CONSTRAINT positive",
  "ALTER DOMAIN amount ADD CONSTRAINT small CHECK (VALUE < 100)",
  "ALTER TABLE part ATTACH PARTITION part_1 FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
  "ALTER TABLE part DETACH PARTITION part_1",
  "CREATE OR REPLACE VIEW seen AS SELECT id, n FROM child",
  "DROP VIEW seen; REINDEX TABLE parent",
  "ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'; ALTER TYPE mood RENAME TO state",
  "DROP TABLE parent CASCADE",
  "DROP TABLE gone; DROP MATERIALIZED VIEW kept; CREATE TABLE gone (n int)",
  "DO $$ BEGIN BEGIN ALTER TABLE child ADD COLUMN never int; RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END; END $$",
  "ALTER TABLE child RENAME TO kid; COMMENT ON TABLE kid IS 'x'; GRANT SELECT ON kid TO PUBLIC",
  "DROP SCHEMA stock CASCADE; DROP DOMAIN amount CASCADE",
];

async function run(sql: Session, text: string): Promise<void> {
  await sql.unsafe("savepoint one");
  await sql.unsafe(text);
  await sql.unsafe("release savepoint one");
}

/** In an order of their own. */
function sorted(facts: SchemaFacts): unknown {
  return Object.entries(facts).map(([kind, items]: [string, ReadonlyMap<number, object>]) => [
    kind,
    [...items.values()].map((item) => JSON.stringify(item)).sort(),
  ]);
}

/** A transaction on the base, in which each statement is looked at behind those before it. */
async function watching(
  work: (
    look: (statement: string) => Promise<{ seen: Look; known: SchemaFacts }>,
    sql: Session,
  ) => Promise<void>,
): Promise<void> {
  const { url } = await createTestDatabase();
  await withUrl(url, async ({ sql }) => {
    await sql.unsafe(BASE);
    await installLook(sql);
    let { facts: known, mark } = await readFacts(sql);
    const look = async (statement: string) => {
      await run(sql, statement);
      const seen = await readChanged(sql, mark, known);
      known = updateFacts(known, seen);
      mark = seen.mark;
      return { seen, known };
    };
    await sql.unsafe("begin");
    await work(look, sql);
    await sql.unsafe("rollback");
  });
}

test("what is known after looks at changes alone is what a look at everything tells", async () => {
  await watching(async (look, sql) => {
    for (const statement of STATEMENTS) {
      const { seen, known } = await look(statement);
      const everything = await readFacts(sql, seen.mark);
      expect([statement, sorted(known)]).toEqual([statement, sorted(everything.facts)]);
    }
  });
});

test("a look at changes tells of no more than those", async () => {
  await watching(async (look) => {
    const namesOf = async (statement: string) => {
      const { seen } = await look(statement);
      return [...seen.facts.relations.values()].map(({ name }) => name).sort();
    };
    expect(await namesOf("ALTER TABLE parent ADD COLUMN a int")).toEqual(["parent"]);
    expect(await namesOf("ALTER TABLE other ADD COLUMN a int")).toEqual(["other"]);
    expect(await namesOf("SELECT 1")).toEqual([]);
    expect(await namesOf("LOCK TABLE child, gone; ALTER TABLE parent ALTER COLUMN a SET NOT NULL")).toEqual([
      "parent",
    ]);
  });
});
