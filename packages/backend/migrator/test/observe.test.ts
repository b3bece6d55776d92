import { createTestDatabase } from "@repo/test-database";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSettings } from "../src/config.ts";
import { withScratch } from "../src/database/scratch.ts";
import { readFolder } from "../src/folder/read.ts";
import { observe } from "../src/review/observe.ts";
import type { ObservedStatement } from "../src/review/observed.ts";
import { BREAKPOINT, makeFolder } from "./support/folder.ts";

/** Everything that a statement of the table below needs, each on objects of its own, so that none disturbs another. */
const BASE = `
CREATE TABLE parent (id int PRIMARY KEY, note text);
CREATE TABLE child (id int PRIMARY KEY, parent_id int, n int, v varchar(50), price numeric(5, 2), t text, u int);
CREATE UNIQUE INDEX child_u ON child (u);
CREATE INDEX child_n ON child (n);
ALTER TABLE child ADD CONSTRAINT positive CHECK (n > 0) NOT VALID;
CREATE TABLE linked (id int PRIMARY KEY, parent_id int, CONSTRAINT linked_fk FOREIGN KEY (parent_id) REFERENCES parent (id));
CREATE TABLE loose (id int PRIMARY KEY, parent_id int);
ALTER TABLE loose ADD CONSTRAINT loose_fk FOREIGN KEY (parent_id) REFERENCES parent (id) NOT VALID;
CREATE TABLE part (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE part_2 (id int, at date);
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ begin return new; end $$;
CREATE TRIGGER existing BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION nothing();
`;

/** SQL, the locks on what was there before, as `mode on table`, and what becomes of its rows. Measured on 14 to 18. */
const STATEMENTS: readonly (readonly [sql: string, effect: string])[] = [
  ["ALTER TABLE child ADD COLUMN a text", "ACCESS EXCLUSIVE on child"],
  ["ALTER TABLE child ADD COLUMN a int DEFAULT 5", "ACCESS EXCLUSIVE on child"],
  ["ALTER TABLE child ADD COLUMN a timestamptz DEFAULT now()", "ACCESS EXCLUSIVE on child"],
  ["ALTER TABLE child ADD COLUMN a uuid DEFAULT gen_random_uuid()", "ACCESS EXCLUSIVE on child, rewritten"],
  [
    "ALTER TABLE child ADD COLUMN a timestamptz DEFAULT clock_timestamp()",
    "ACCESS EXCLUSIVE on child, rewritten",
  ],
  ["ALTER TABLE child ADD COLUMN a serial", "ACCESS EXCLUSIVE on child, rewritten"],
  ["ALTER TABLE child ADD COLUMN a int GENERATED ALWAYS AS IDENTITY", "ACCESS EXCLUSIVE on child, rewritten"],
  [
    "ALTER TABLE child ADD COLUMN a int GENERATED ALWAYS AS (id + 1) STORED",
    "ACCESS EXCLUSIVE on child, rewritten",
  ],
  ["ALTER TABLE child ALTER COLUMN id TYPE bigint", "ACCESS EXCLUSIVE on child, rewritten"],
  ["ALTER TABLE child ALTER COLUMN v TYPE varchar(20)", "ACCESS EXCLUSIVE on child, rewritten"],
  ["ALTER TABLE child ALTER COLUMN v TYPE varchar(100)", "ACCESS EXCLUSIVE on child"],
  ["ALTER TABLE child ALTER COLUMN v TYPE text", "ACCESS EXCLUSIVE on child"],
  ["ALTER TABLE child ALTER COLUMN price TYPE numeric(8, 2)", "ACCESS EXCLUSIVE on child"],
  ["ALTER TABLE child ALTER COLUMN t SET NOT NULL", "ACCESS EXCLUSIVE on child, scanned"],
  ["ALTER TABLE child ADD CHECK (id > 0)", "ACCESS EXCLUSIVE on child, scanned"],
  ["ALTER TABLE child ADD CHECK (id > 0) NOT VALID", "ACCESS EXCLUSIVE on child"],
  ["ALTER TABLE child ADD UNIQUE (t)", "ACCESS EXCLUSIVE on child, scanned"],
  ["ALTER TABLE child ADD EXCLUDE USING btree (id WITH =)", "ACCESS EXCLUSIVE on child, scanned"],
  ["ALTER TABLE child ADD UNIQUE USING INDEX child_u", "ACCESS EXCLUSIVE on child"],
  ["ALTER TABLE child VALIDATE CONSTRAINT positive", "SHARE UPDATE EXCLUSIVE on child, scanned"],
  [
    "ALTER TABLE loose VALIDATE CONSTRAINT loose_fk",
    "SHARE UPDATE EXCLUSIVE on loose, scanned; ROW SHARE on parent",
  ],
  [
    "ALTER TABLE child ADD FOREIGN KEY (parent_id) REFERENCES parent (id)",
    "SHARE ROW EXCLUSIVE on child, scanned; SHARE ROW EXCLUSIVE on parent",
  ],
  [
    "ALTER TABLE child ADD FOREIGN KEY (parent_id) REFERENCES parent (id) NOT VALID",
    "SHARE ROW EXCLUSIVE on child; SHARE ROW EXCLUSIVE on parent",
  ],
  ["DROP TABLE linked", "ACCESS EXCLUSIVE on linked; ACCESS EXCLUSIVE on parent"],
  ["ALTER TABLE linked DROP CONSTRAINT linked_fk", "ACCESS EXCLUSIVE on linked; ACCESS EXCLUSIVE on parent"],
  ["CREATE TABLE fresh (id int REFERENCES parent (id))", "SHARE ROW EXCLUSIVE on parent"],
  ["CREATE INDEX ON child (id, n)", "SHARE on child, scanned"],
  ["DROP INDEX child_n", "ACCESS EXCLUSIVE on child"],
  [
    "CREATE TRIGGER another BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION nothing()",
    "SHARE ROW EXCLUSIVE on child",
  ],
  ["ALTER TABLE child DISABLE TRIGGER existing", "SHARE ROW EXCLUSIVE on child"],
  ["ALTER TABLE child ENABLE ROW LEVEL SECURITY", "ACCESS EXCLUSIVE on child"],
  ["CREATE POLICY everybody ON child USING (true)", "ACCESS EXCLUSIVE on child"],
  ["ALTER TABLE child REPLICA IDENTITY FULL", "ACCESS EXCLUSIVE on child"],
  ["COMMENT ON TABLE child IS 'x'", "SHARE UPDATE EXCLUSIVE on child"],
  ["ALTER TABLE child ALTER COLUMN id SET STATISTICS 50", "SHARE UPDATE EXCLUSIVE on child"],
  ["ALTER TABLE child SET (autovacuum_enabled = false)", "SHARE UPDATE EXCLUSIVE on child"],
  [
    "ALTER TABLE part ATTACH PARTITION part_2 FOR VALUES FROM ('2021-01-01') TO ('2022-01-01')",
    "ACCESS EXCLUSIVE on part_2, scanned; SHARE UPDATE EXCLUSIVE on part",
  ],
  ["UPDATE child SET n = 1", "ROW EXCLUSIVE on child, scanned"],
  ["ALTER TABLE child RENAME COLUMN t TO title", "ACCESS EXCLUSIVE on child"],
  ["ALTER TABLE child DROP COLUMN t", "ACCESS EXCLUSIVE on child"],
  ["SELECT * FROM child FOR UPDATE", "ROW SHARE on child, scanned"],
  ["CREATE TYPE mood AS ENUM ('sad', 'happy')", ""],
  ["CREATE TABLE alone (id int)", ""],
  // Outside of any transaction, seen from a second connection.
  ["CREATE INDEX CONCURRENTLY ON child (id)", "SHARE UPDATE EXCLUSIVE on child, scanned"],
  ["DROP INDEX CONCURRENTLY child_n", "SHARE UPDATE EXCLUSIVE on child"],
  ["REINDEX TABLE CONCURRENTLY child", "SHARE UPDATE EXCLUSIVE on child, scanned"],
  [
    "ALTER TABLE part DETACH PARTITION part_1 CONCURRENTLY",
    "ACCESS EXCLUSIVE on part_1; SHARE UPDATE EXCLUSIVE on part",
  ],
  ["VACUUM child", "SHARE UPDATE EXCLUSIVE on child"],
];

function effectOf({ locks }: ObservedStatement): string {
  return locks
    .map(({ relation, mode, rewrites, scans }) => {
      const rows = rewrites ? ", rewritten" : scans ? ", scanned" : "";
      return `${mode} on ${relation.name}${rows}`;
    })
    .sort()
    .join("; ");
}

/** Observes files behind a base. */
async function observed(base: string, files: readonly string[]): Promise<readonly ObservedStatement[][]> {
  const { url } = await createTestDatabase();
  const tags = [base, ...files].map((sql, index) => ({ tag: `${String(index).padStart(4, "0")}_it`, sql }));
  const settings = await readSettings({ migrations: await makeFolder(tags), url });
  const [first, ...rest] = (await readFolder(settings.migrations)).migrations;
  const planned = rest.flatMap((migration) => (migration.up ? [{ migration, script: migration.up }] : []));
  const applied = first ? [first] : [];
  return withScratch(settings.scratch, url, (scratch) =>
    observe(settings, scratch, { applied, planned }, new AbortController().signal, async ({ scripts }) =>
      scripts.map(({ statements }) => [...statements]),
    ),
  );
}

describe("the locks of a statement, and whether its table is scanned or written anew", () => {
  const found = new Map<string, ObservedStatement | undefined>();

  // One observation for as many as do not disturb each other: each is undone by the next file, which begins with it.
  beforeAll(async () => {
    const alone = STATEMENTS.filter(([sql]) => /CONCURRENTLY|^VACUUM/.test(sql));
    const together = STATEMENTS.filter((one) => !alone.includes(one));
    const undone = together.map(
      ([sql]) => `SAVEPOINT before;${BREAKPOINT}${sql};${BREAKPOINT}ROLLBACK TO before;`,
    );
    const results = await observed(BASE, [...undone, ...alone.map(([sql]) => `${sql};`)]);
    for (const [index, [sql]] of [...together, ...alone].entries())
      found.set(
        sql,
        results[index]?.find((statement) => statement.sql.startsWith(sql)),
      );
  });

  afterAll(() => found.clear());

  test.each(STATEMENTS)("%s: %s", (sql, effect) => {
    const statement = found.get(sql);
    expect(statement?.failure).toBeUndefined();
    expect(statement && effectOf(statement)).toBe(
      [effect]
        .flatMap((text) => text.split("; "))
        .sort()
        .join("; "),
    );
  });
});

test("locks that an earlier statement of the transaction holds are not told again, stronger ones are", async () => {
  const [statements] = await observed("CREATE TABLE one (id int);", [
    ["COMMENT ON TABLE one IS 'x';", "ALTER TABLE one ADD a int;", "ALTER TABLE one ADD b int;"].join(
      BREAKPOINT,
    ),
  ]);
  expect(statements?.map(effectOf)).toEqual(["SHARE UPDATE EXCLUSIVE on one", "ACCESS EXCLUSIVE on one", ""]);
});

test("a statement that fails on the copy is told with the server's words, and those behind it are still tried", async () => {
  const [statements] = await observed("CREATE TABLE one (id int);", [
    ["ALTER TABLE missing ADD a int;", "ALTER TABLE one ADD b int;"].join(BREAKPOINT),
  ]);
  expect(statements?.map(({ failure }) => failure?.code)).toEqual(["42P01", undefined]);
  expect(statements?.[1] && effectOf(statements[1])).toBe("ACCESS EXCLUSIVE on one");
});

test("what reaches beyond the database is not tried", async () => {
  const [statements] = await observed("CREATE TABLE one (id int);", ["CREATE ROLE observed_and_not_made;"]);
  expect(statements).toMatchObject([{ untried: expect.stringMatching(/beyond its database/), locks: [] }]);
});

test("an index is told by itself where it is locked more strongly than its table", async () => {
  const [statements] = await observed("CREATE TABLE one (id int); CREATE INDEX one_id ON one (id);", [
    "REINDEX INDEX one_id;",
  ]);
  expect(statements?.map(effectOf)).toEqual(["ACCESS EXCLUSIVE on one_id, rewritten; SHARE on one, scanned"]);
});

test("a renamed table is told by the name that the target has", async () => {
  const files = ["ALTER TABLE one RENAME TO two;", "ALTER TABLE two ADD a int;"];
  const [, second] = await observed("CREATE TABLE one (id int);", files);
  expect(second?.map(effectOf)).toEqual(["ACCESS EXCLUSIVE on one"]);
});

test("an enum value that is added and used in one transaction fails on the copy as it would on the target", async () => {
  const [statements] = await observed("CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE one (m mood);", [
    ["ALTER TYPE mood ADD VALUE 'happy';", "INSERT INTO one VALUES ('happy');"].join(BREAKPOINT),
  ]);
  expect(statements?.map(({ failure }) => failure?.code)).toEqual([undefined, "55P04"]);
});
