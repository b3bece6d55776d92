import { createTemplate, createTestDatabase, type Template, type TestDatabase } from "@repo/test-database";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import type { Catalog } from "../src/catalog/catalog.ts";
import { compareCatalogs } from "../src/catalog/compare.ts";
import { planBetween } from "../src/catalog/plan.ts";
import {
  type CatalogOptions,
  type CatalogReader,
  readCatalog,
  withCatalogReader,
} from "../src/catalog/read.ts";
import { withUrl } from "../src/database/connect.ts";
import { CHANGES, type Change } from "./support/catalog-changes.ts";
import { BASE_SCHEMA } from "./support/catalog-schema.ts";

const MAJOR = Math.floor(inject("testDatabase").versionNumber / 10_000);

/** A database that is as the base schema makes it, with a reader whose sessions stay open. */
interface Subject {
  readonly database: TestDatabase;
  readonly read: CatalogReader;
}

let template: Template;
let base: Catalog;
/** A comparison that finds nothing proves that a subject may be used again. */
const clean: Subject[] = [];
let endReaders: () => void = () => {};
const end = new Promise<void>((resolve) => {
  endReaders = resolve;
});

beforeAll(async () => {
  template = await createTemplate("catalog", (url) =>
    withUrl(url, async ({ sql }) => void (await sql.unsafe(BASE_SCHEMA))),
  );
  const subject = await newSubject();
  base = await subject.read();
  clean.push(subject);
});

afterAll(() => endReaders());

async function newSubject(): Promise<Subject> {
  const database = await createTestDatabase({ template });
  const read = await new Promise<CatalogReader>((resolve, reject) => {
    withUrl(database.url, (opened) =>
      withCatalogReader(opened, async (read) => {
        resolve(read);
        await end;
      }),
    ).catch(reject);
  });
  return { database, read };
}

function catalogOf(url: string): Promise<Catalog> {
  return withUrl(url, (database) => readCatalog(database));
}

const POSSIBLE = CHANGES.filter(({ since = 0 }) => since <= MAJOR);

test.concurrent.each(POSSIBLE)("$name is found alone and put right", async (change) => {
  const subject = clean.pop() ?? (await newSubject());
  const expected = change.given === undefined ? base : await more(subject, change.given);
  await subject.database.sql.unsafe(change.sql);
  const options = { privileges: change.privileges };
  const found = await compareCatalogs(expected, await subject.read(), options);
  expect(found.map((one) => `${one.change} ${one.kind} ${one.object}`).sort()).toEqual(
    [...change.finds].sort(),
  );
  expect(found.map(({ text }) => text).join("\n")).toContain(change.says ?? "");
  if (change.hopeless) return expect(found[0]?.remedy).toMatchObject({ sql: [], ...change.hopeless });
  const sqls = found.flatMap(({ remedy }) => remedy.sql);
  expect(sqls).toEqual(change.sqls ?? sqls);
  for (const sql of sqls) expect(sql).not.toMatch(/[\s;]$/);
  expect(found.flatMap(({ remedy }) => remedy.reason ?? [])).toEqual([]);
  for (const sql of sqls) await run(subject.database, sql);
  const mended = await subject.read();
  expect(await compareCatalogs(expected, mended, options)).toEqual([]);
  // A table that was made anew has lost its grants, which may not count here, but do for the next.
  if ((await compareCatalogs(base, mended, { privileges: true })).length === 0) clean.push(subject);
  expectMarks(change, {
    safe: found.every(({ remedy }) => remedy.safe),
    losesData: found.some(({ remedy }) => remedy.losesData),
  });
});

async function more({ database, read }: Subject, sql: string): Promise<Catalog> {
  await database.sql.unsafe(sql);
  return read();
}

function expectMarks({ safe = true, losesData = false }: Change, marks: object): void {
  expect(marks).toEqual({ safe, losesData });
}

async function run({ sql }: TestDatabase, text: string): Promise<void> {
  await sql.unsafe(text).catch((error: unknown) => {
    throw new Error(`${text}: ${String(error)}`);
  });
}

test("a catalog that went through JSON is the same", async () => {
  const copy = JSON.parse(JSON.stringify(base)) as Catalog;
  expect(copy).toEqual(base);
  expect(await compareCatalogs(copy, base, { privileges: true })).toEqual([]);
});

test("two reads are equal to the byte, whatever the database's settings are", async () => {
  const database = await createTestDatabase({ template });
  // Which show the same values in other words.
  for (const setting of [
    "timezone to 'Asia/Tokyo'",
    "datestyle to 'German'",
    "quote_all_identifiers to on",
    "search_path to audit",
  ]) {
    await database.sql.unsafe(`alter database ${database.name} set ${setting}`);
  }
  expect(JSON.stringify(await catalogOf(database.url))).toBe(JSON.stringify(base));
});

test("the catalog of a schema is the same on every version of PostgreSQL", async () => {
  // Written on 14; run with --update after a change to the base schema. Grants on the schema public changed with 15.
  const objects = base.objects.filter(({ id }) => id.kind !== "acl");
  const lines = [
    ...objects.map(({ key, properties }) => `${key} ${JSON.stringify(properties)}`),
    ...base.dependencies.map(([from, to]) => `${from} needs ${to}`),
  ];
  await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot("support/catalog-base.txt");
});

/** Pairs of ways to one schema. */
const PATHS: readonly {
  readonly name: string;
  readonly one: string;
  readonly other: string;
  readonly since?: number;
}[] = [
  {
    name: "columns in another order",
    one: "CREATE TABLE t (a integer, b text DEFAULT 'x', c date)",
    other:
      "CREATE TABLE t (c date); ALTER TABLE t ADD COLUMN b text DEFAULT 'x'; ALTER TABLE t ADD COLUMN gone int; ALTER TABLE t DROP COLUMN gone; ALTER TABLE t ADD COLUMN a integer",
  },
  {
    name: "constraints made with the table or later",
    one: "CREATE TABLE p (id integer PRIMARY KEY); CREATE TABLE t (a integer NOT NULL UNIQUE CHECK (a > 0) REFERENCES p)",
    other: `CREATE TABLE p (id integer NOT NULL); CREATE TABLE t (a integer); ALTER TABLE t ALTER COLUMN a SET NOT NULL;
      CREATE UNIQUE INDEX p_pkey ON p (id); ALTER TABLE p ADD CONSTRAINT p_pkey PRIMARY KEY USING INDEX p_pkey;
      ALTER TABLE t ADD CONSTRAINT t_a_key UNIQUE (a);
      ALTER TABLE t ADD CONSTRAINT t_a_check CHECK (a > 0) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT t_a_check;
      ALTER TABLE t ADD CONSTRAINT t_a_fkey FOREIGN KEY (a) REFERENCES p`,
  },
  {
    name: "a serial column and its parts",
    one: "CREATE TABLE t (id serial PRIMARY KEY)",
    other:
      "CREATE SEQUENCE t_id_seq AS integer; CREATE TABLE t (id integer NOT NULL DEFAULT nextval('t_id_seq') PRIMARY KEY); ALTER SEQUENCE t_id_seq OWNED BY t.id",
  },
  {
    name: "an enum that grew",
    one: "CREATE TYPE e AS ENUM ('a', 'b', 'c'); CREATE TABLE t (e e[] DEFAULT '{a}')",
    other:
      "CREATE TYPE e AS ENUM ('a', 'x'); CREATE TABLE t (e e[] DEFAULT '{a}'); ALTER TYPE e RENAME VALUE 'x' TO 'c'; ALTER TYPE e ADD VALUE 'b' BEFORE 'c'",
  },
  {
    name: "a table that became a partition",
    one: `CREATE TABLE p (a integer NOT NULL, b text DEFAULT 'x', PRIMARY KEY (a)) PARTITION BY RANGE (a); CREATE INDEX p_b ON p (b);
      CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (10)`,
    other: `CREATE TABLE p (a integer NOT NULL, b text DEFAULT 'x', PRIMARY KEY (a)) PARTITION BY RANGE (a); CREATE INDEX p_b ON p (b);
      CREATE TABLE p_1 (b text DEFAULT 'x', a integer NOT NULL); ALTER TABLE p ATTACH PARTITION p_1 FOR VALUES FROM (0) TO (10)`,
  },
  {
    name: "NULLS NOT DISTINCT",
    one: "CREATE TABLE t (a integer, b integer, CONSTRAINT u UNIQUE NULLS NOT DISTINCT (a, b))",
    other:
      "CREATE TABLE t (b integer, a integer); CREATE UNIQUE INDEX u ON t (a, b) NULLS NOT DISTINCT; ALTER TABLE t ADD CONSTRAINT u UNIQUE USING INDEX u",
    since: 15,
  },
  {
    name: "an extension with objects of its own, and a ledger here only",
    one: "CREATE EXTENSION pg_trgm; CREATE TABLE t (a text); CREATE INDEX i ON t USING gin (a gin_trgm_ops)",
    other: `CREATE EXTENSION pg_trgm; CREATE TABLE t (a text); CREATE INDEX i ON t USING gin (a gin_trgm_ops); CREATE SCHEMA drizzle;
      CREATE TABLE drizzle.__drizzle_migrations (id serial PRIMARY KEY, hash text); CREATE TABLE drizzle.__drizzle_migrations_runs (id bigserial)`,
  },
  {
    name: "another owner",
    one: "CREATE SCHEMA s; CREATE TABLE s.t (a integer); CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    other:
      "CREATE SCHEMA s AUTHORIZATION pg_monitor; CREATE TABLE s.t (a integer); ALTER TABLE s.t OWNER TO pg_monitor; CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
  },
];

test.each(PATHS.filter(({ since = 0 }) => since <= MAJOR))(
  "no difference between two ways to one schema: $name",
  async ({ one, other }) => {
    const [a, b] = await Promise.all(
      [one, other].map(async (sql) => {
        const database = await createTestDatabase();
        await database.sql.unsafe(sql);
        return catalogOf(database.url);
      }),
    );
    expect(await compareCatalogs(a as Catalog, b as Catalog)).toEqual([]);
  },
);

test("schemas can be left out, by name or by naming others", async () => {
  const database = await createTestDatabase({ template });
  const schemasOf = async (options: CatalogOptions) => {
    const catalog = await withUrl(database.url, (opened) => readCatalog(opened, options));
    return catalog.objects.filter(({ id }) => id.kind === "schema").map(({ id }) => id.name);
  };
  expect(await schemasOf({ schemas: ["audit"] })).toEqual(["audit"]);
  expect(await schemasOf({ ignoreSchemas: ["audit"] })).toEqual(['Odd "Names"', "drizzle", "public"]);
});

test("a plan makes the whole schema in an empty database, and takes it away again", async () => {
  const database = await createTestDatabase();
  const empty = await catalogOf(database.url);
  const up = await planBetween(empty, base);
  for (const { sql } of up) await run(database, sql);
  expect(await compareCatalogs(base, await catalogOf(database.url))).toEqual([]);
  expect(up.some(({ losesData, rewrites }) => losesData || rewrites)).toBe(false);
  const down = await planBetween(base, empty);
  for (const { sql } of down) await run(database, sql);
  expect(await compareCatalogs(empty, await catalogOf(database.url))).toEqual([]);
  expect(down.filter(({ losesData }) => losesData).map(({ sql }) => sql)).toContain(
    'DROP TABLE "public"."author"',
  );
  expect(await planBetween(base, base)).toEqual([]);
});
