import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generateDrizzleJson, generateMigration } from "drizzle-kit/api";
import { sql } from "drizzle-orm";
import * as pg from "drizzle-orm/pg-core";
import { BREAKPOINT, type MigrationFiles, makeFolder } from "./folder.ts";

/** One migration: what becomes of the Drizzle schema, and SQL where a hand has written or changed it. */
interface Step {
  readonly name: string;
  /** Exports that are new or changed; null for those that go. */
  readonly change?: Readonly<Record<string, unknown>>;
  /** In place of what drizzle-kit generates, or of nothing where the schema does not change (`generate --custom`). */
  readonly up?: string | ((generated: string) => string);
}

const shop = pg.pgSchema("shop");
const mood = pg.pgEnum("mood", ["sad", "happy"]);
const mood3 = pg.pgEnum("mood", ["sad", "ok", "happy"]);
const level = pg.pgEnum("level", ["low", "mid", "high"]);
const ticket = pg.pgSequence("ticket", { startWith: 5, increment: 5 });
const clerk = pg.pgRole("varied_clerk");

const authorColumns = {
  id: pg.serial().primaryKey(),
  name: pg.text().notNull(),
};
const author1 = pg.pgTable("author", authorColumns);
const author2 = pg.pgTable("author", { ...authorColumns, born: pg.date(), mood: mood().default("sad") });
const author3 = pg.pgTable("author", { ...authorColumns, born: pg.date(), mood: mood3().default("sad") });
const author4 = pg.pgTable("author", { ...authorColumns, birthday: pg.date(), mood: mood3().default("sad") });
const author5 = pg.pgTable(
  "author",
  { ...authorColumns, birthday: pg.date(), mood: mood3().default("sad"), email: pg.varchar({ length: 80 }) },
  (t) => [
    pg.check("author_born", sql`${t.birthday} > '1800-01-01'`),
    pg.unique("author_email").on(t.email),
    pg.index("author_recent").on(t.birthday.desc().nullsLast(), t.name),
    pg.uniqueIndex("author_lower").on(sql`lower(${t.name})`).where(sql`${t.email} is not null`),
    pg.index("author_gin").using("gin", sql`to_tsvector('simple', ${t.name})`),
  ],
);
const author6 = pg.pgTable(
  "author",
  { ...authorColumns, birthday: pg.date(), mood: mood3().default("sad"), email: pg.varchar({ length: 80 }) },
  (t) => [
    pg.check("author_born", sql`${t.birthday} > '1900-01-01'`),
    pg.unique("author_email").on(t.email),
    pg.index("author_recent").on(t.birthday),
  ],
);

const book = (extra: Record<string, pg.PgColumnBuilderBase> = {}) =>
  pg.pgTable("book", {
    id: pg.integer().primaryKey().generatedAlwaysAsIdentity({ startWith: 100 }),
    authorId: pg.integer("author_id").references(() => author1.id, { onDelete: "cascade" }),
    title: pg.text().notNull().default("untitled"),
    pages: pg.integer(),
    ...extra,
  });

const everyKind = pg.pgTable("every_kind", {
  a: pg.smallint(),
  b: pg.bigint({ mode: "number" }),
  c: pg.bigserial({ mode: "number" }),
  d: pg.boolean().default(true),
  e: pg.char({ length: 3 }),
  f: pg.numeric({ precision: 10, scale: 2 }).default("1.5"),
  g: pg.real(),
  h: pg.doublePrecision(),
  i: pg.json(),
  j: pg.jsonb().default({ a: [1, "x"] }),
  k: pg.time(),
  l: pg.timestamp({ withTimezone: true, precision: 3 }).defaultNow(),
  m: pg.interval({ fields: "day to second" }),
  n: pg.uuid().defaultRandom(),
  o: pg.text().array().default([]),
  p: pg.integer().array().array(),
  q: pg.inet(),
  r: pg.cidr(),
  s: pg.macaddr(),
  t: pg.point(),
  u: pg.line(),
  v: level("v").default("mid"),
  w: level("w").array(),
  x: pg.varchar({ length: 12, enum: ["one", "two"] }),
});

const one = pg.pgTable("one", {
  id: pg.integer().primaryKey(),
  two: pg.integer().references((): pg.AnyPgColumn => two.id),
});
const two = pg.pgTable("two", {
  id: pg.integer().primaryKey(),
  one: pg.integer().references((): pg.AnyPgColumn => one.id),
});

const item = (name: string, extra: Record<string, pg.PgColumnBuilderBase> = {}) =>
  shop.table(name, { id: pg.uuid().primaryKey().defaultRandom(), label: pg.text(), ...extra });

const note1 = pg.pgTable("note", { id: pg.integer(), text: pg.text(), n: pg.text(), score: pg.integer() });
const note2 = pg.pgTable("note", {
  id: pg.integer().notNull(),
  text: pg.text().notNull().default("none"),
  n: pg.text(),
  score: pg.bigint({ mode: "number" }).default(7),
});
const note3 = pg.pgTable(
  "note",
  {
    id: pg.integer().notNull(),
    text: pg.text().notNull().default("none"),
    n: pg.integer(),
    score: pg.bigint({ mode: "number" }).default(7),
  },
  (t) => [pg.primaryKey({ columns: [t.id, t.text] })],
);
const noteColumns = {
  id: pg.integer().notNull(),
  text: pg.text().notNull(),
  n: pg.integer(),
  score: pg.bigint({ mode: "number" }),
  long: pg.text().generatedAlwaysAs(sql`text || '!'`),
};
const note4 = pg
  .pgTable("note", noteColumns, (t) => [
    pg.primaryKey({ columns: [t.id, t.text] }),
    pg.pgPolicy("own_notes", { as: "permissive", for: "select", to: clerk, using: sql`id > 0` }),
  ])
  .enableRLS();
const note5 = pg
  .pgTable("note", noteColumns, (t) => [
    pg.primaryKey({ columns: [t.id, t.text] }),
    pg.pgPolicy("own_notes", { as: "permissive", for: "select", to: clerk, using: sql`id > 10` }),
    pg.pgPolicy("all_notes", {
      as: "restrictive",
      for: "all",
      to: "public",
      using: sql`true`,
      withCheck: sql`id > 1`,
    }),
  ])
  .enableRLS();

const names = pg.pgView("names").as((query) => query.select({ name: author1.name }).from(author1));
const names2 = pg
  .pgView("names", { name: pg.text(), size: pg.integer() })
  .as(sql`select name, length(name) as size from author`);
const totals = pg
  .pgMaterializedView("totals", { n: pg.bigint({ mode: "number" }) })
  .as(sql`select count(*) as n from book`);

/** What real projects do to their schemas, one thing a migration. */
export const STEPS: readonly Step[] = [
  { name: "first_tables", change: { author: author1, book: book() } },
  { name: "enum_and_columns", change: { mood, author: author2 } },
  { name: "every_kind_of_column", change: { level, everyKind } },
  { name: "enum_value_in_the_middle", change: { mood: mood3, author: author3 } },
  {
    name: "rename_column",
    change: { author: author4 },
    up: 'ALTER TABLE "author" RENAME COLUMN "born" TO "birthday";',
  },
  { name: "checks_and_indexes", change: { author: author5 } },
  { name: "other_checks_fewer_indexes", change: { author: author6 } },
  { name: "circle", change: { one, two } },
  { name: "circle_gone", change: { one: null, two: null } },
  { name: "schema_and_table", change: { shop, item: item("item") } },
  {
    name: "rename_table",
    change: { item: item("article") },
    up: 'ALTER TABLE "shop"."item" RENAME TO "article";',
  },
  {
    name: "column_elsewhere",
    change: { item: item("article", { price: pg.numeric().notNull().default("0") }) },
  },
  { name: "index_elsewhere", up: 'CREATE INDEX CONCURRENTLY "article_label" ON "shop"."article" ("label");' },
  { name: "sequence", change: { ticket } },
  {
    name: "sequence_changed",
    change: { ticket: pg.pgSequence("ticket", { startWith: 5, increment: 10, maxValue: 900 }) },
  },
  { name: "view", change: { names } },
  { name: "view_changed", change: { names: names2 } },
  { name: "materialized_view", change: { totals } },
  { name: "index_on_it", up: "CREATE UNIQUE INDEX totals_n ON totals (n);" },
  { name: "no_materialized_view", change: { totals: null } },
  { name: "notes", change: { note: note1 } },
  { name: "not_null_default_type", change: { note: note2 } },
  {
    name: "text_to_integer_and_key",
    change: { note: note3 },
    up: (generated) => generated.replace("SET DATA TYPE integer", 'SET DATA TYPE integer USING "n"::integer'),
  },
  { name: "role_policy_generated", change: { clerk, note: note4 } },
  { name: "policies_changed", change: { note: note5 } },
  { name: "identity_options", change: { book: book({ isbn: pg.char({ length: 13 }).unique() }) } },
  { name: "column_dropped", change: { book: book() } },
  { name: "extension", up: "CREATE EXTENSION IF NOT EXISTS citext;" },
  { name: "column_of_extension", up: "ALTER TABLE author ADD COLUMN nick citext;" },
  {
    name: "function_and_trigger",
    up: [
      "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.title := trim(NEW.title); RETURN NEW; END $$;",
      "CREATE TRIGGER book_touch BEFORE INSERT OR UPDATE ON book FOR EACH ROW EXECUTE FUNCTION touch();",
    ].join(BREAKPOINT),
  },
  {
    name: "function_replaced",
    up: "CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.title := upper(NEW.title); RETURN NEW; END $$;",
  },
  { name: "trigger_disabled", up: "ALTER TABLE book DISABLE TRIGGER book_touch;" },
  {
    name: "rename_trigger_and_function",
    up: "ALTER FUNCTION touch() RENAME TO upcase; ALTER TRIGGER book_touch ON book RENAME TO book_upcase;",
  },
  {
    name: "fill_rows",
    up: `INSERT INTO author (name, email) VALUES ('Ole', 'o'), ('Kurt', 'k');${BREAKPOINT}UPDATE author SET birthday = '1950-01-01';`,
  },
  { name: "rename_enum_value", up: "ALTER TYPE mood RENAME VALUE 'ok' TO 'fine';" },
  { name: "rename_enum", up: "ALTER TYPE level RENAME TO height;" },
  { name: "enum_value", up: "ALTER TYPE height ADD VALUE 'top' AFTER 'high';" },
  {
    name: "enum_rebuilt",
    up: [
      "ALTER TABLE author ALTER COLUMN mood DROP DEFAULT",
      "ALTER TYPE mood RENAME TO mood_old",
      "CREATE TYPE mood AS ENUM ('sad', 'happy', 'angry')",
      "ALTER TABLE author ALTER COLUMN mood TYPE mood USING (CASE mood::text WHEN 'fine' THEN 'happy' ELSE mood::text END)::mood",
      "ALTER TABLE author ALTER COLUMN mood SET DEFAULT 'sad'",
      "DROP TYPE mood_old",
    ].join(`;${BREAKPOINT}`),
  },
  {
    name: "comments",
    up: "COMMENT ON TABLE author IS 'who wrote'; COMMENT ON COLUMN author.name IS 'as printed';",
  },
  { name: "comment_changed", up: "COMMENT ON TABLE author IS 'writers';" },
  {
    name: "partitions",
    up: [
      "CREATE TABLE event (at date NOT NULL, what text) PARTITION BY RANGE (at);",
      "CREATE TABLE event_2025 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');",
      "CREATE INDEX event_at ON event (at);",
    ].join(BREAKPOINT),
  },
  { name: "another_partition", up: "CREATE TABLE event_rest PARTITION OF event DEFAULT;" },
  { name: "detached", up: "ALTER TABLE event DETACH PARTITION event_rest;" },
  {
    name: "constraint_not_valid",
    up: "ALTER TABLE book ADD CONSTRAINT book_pages CHECK (pages > 0) NOT VALID;",
  },
  { name: "validated", up: "ALTER TABLE book VALIDATE CONSTRAINT book_pages;" },
  {
    name: "rename_constraint_and_index",
    up: "ALTER TABLE book RENAME CONSTRAINT book_pages TO book_has_pages; ALTER INDEX author_recent RENAME TO author_birthday;",
  },
  {
    name: "exclusion",
    up: "CREATE TABLE stay (room int4range, during tsrange, EXCLUDE USING gist (during WITH &&));",
  },
  {
    name: "domain_and_composite",
    up: "CREATE DOMAIN positive AS integer CHECK (VALUE > 0); CREATE TYPE place AS (street text, zip text);",
  },
  { name: "use_of_both", up: "ALTER TABLE author ADD COLUMN rank positive, ADD COLUMN home place;" },
  { name: "composite_grows", up: "ALTER TYPE place ADD ATTRIBUTE land text CASCADE;" },
  { name: "moved_to_schema", up: "ALTER TABLE stay SET SCHEMA shop;" },
  { name: "rename_schema", up: "ALTER SCHEMA shop RENAME TO store;" },
  {
    name: "storage_and_statistics",
    up: "ALTER TABLE author ALTER COLUMN name SET STATISTICS 500; ALTER TABLE author SET (fillfactor = 80); CREATE STATISTICS author_stats ON mood, birthday FROM author;",
  },
  { name: "table_gone", up: "DROP TABLE every_kind;" },
  {
    name: "identity_from_serial",
    up: "ALTER TABLE author ALTER COLUMN id DROP DEFAULT; DROP SEQUENCE author_id_seq; ALTER TABLE author ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY;",
  },
  { name: "grants", up: "GRANT SELECT ON author TO varied_clerk;" },
  {
    name: "rule_and_view_options",
    up: "CREATE VIEW safe WITH (security_barrier) AS SELECT id FROM book WHERE pages > 3 WITH CHECK OPTION;",
  },
];

/** Writes them as drizzle-kit does, with its snapshots, and without down files. */
export async function makeVariedFolder(steps: readonly Step[] = STEPS): Promise<string> {
  let schema: Record<string, unknown> = {};
  let snapshot = generateDrizzleJson({});
  const files: MigrationFiles[] = [];
  const snapshots: object[] = [];
  for (const [index, { name, change, up }] of steps.entries()) {
    const entries = Object.entries({ ...schema, ...change }).filter(([, value]) => value !== null);
    schema = Object.fromEntries(entries);
    const next = generateDrizzleJson(schema, snapshot.id);
    const written = typeof up === "string";
    const generated = written ? "" : (await generateMigration(snapshot, next)).join(BREAKPOINT);
    files.push({
      tag: `${String(index).padStart(4, "0")}_${name}`,
      sql: written ? up : (up?.(generated) ?? generated),
    });
    snapshots.push(next);
    snapshot = next;
  }
  const folder = await makeFolder(files);
  for (const [index, value] of snapshots.entries()) {
    await writeFile(
      join(folder, "meta", `${String(index).padStart(4, "0")}_snapshot.json`),
      JSON.stringify(value),
    );
  }
  return folder;
}
