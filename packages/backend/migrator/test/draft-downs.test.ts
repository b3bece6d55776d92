import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestDatabase } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { readSettings } from "../src/config.ts";
import { withUrl } from "../src/database/connect.ts";
import { migrate, rollback } from "../src/index.ts";
import { draftDowns } from "../src/verify/downs.ts";
import type { DownDraft } from "../src/verify/drafts.ts";
import { countRemade, readIdentities } from "../src/verify/identities.ts";
import { documentOf, runCli } from "./support/cli.ts";
import { readCatalog, readTables } from "./support/database.ts";
import { BREAKPOINT, type MigrationFiles, makeFolder } from "./support/folder.ts";
import { fingerprint } from "./support/project.ts";
import { titled } from "./support/titled.ts";
import { makeVariedFolder, STEPS } from "./support/varied-folder.ts";

const NOBODY = new AbortController().signal;
const { url } = await createTestDatabase();

/** Drafts what a folder lacks, on scratch databases beside a test database. */
async function draftsOf(folder: string, write = false): Promise<readonly DownDraft[]> {
  const settings = await readSettings({
    migrations: folder,
    url,
    schema: join(import.meta.dirname, "none.ts"),
  });
  return (await draftDowns(settings, url, { write }, NOBODY)).drafts;
}

/** The lines of a draft but for the first, which says what it is. */
function linesOf(draft: DownDraft | undefined): readonly string[] {
  return (draft?.text ?? "").trimEnd().split("\n").slice(1);
}

describe("a folder of varied migrations", () => {
  test("gets down files of which more than 95 in 100 are proved, and which roll back all of it, with rows", async () => {
    const folder = await makeVariedFolder();
    const drafts = await draftsOf(folder, true);
    expect(drafts).toHaveLength(STEPS.length);
    expect(STEPS.length).toBeGreaterThanOrEqual(40);
    const unproved = drafts.filter(({ state }) => state !== "proved");
    // It inserts rows with a key of their own: nobody but its author knows which.
    expect(unproved.map(({ tag, state }) => [tag, state])).toEqual([["0033_fill_rows", "unproved"]]);
    expect(linesOf(unproved[0])[0]).toMatch(/^-- unproved: the up failed the second time, .*duplicate key/);

    await writeFile(
      join(folder, "0033_fill_rows.down.sql"),
      "DELETE FROM author WHERE name IN ('Ole', 'Kurt');",
    );
    const database = await createTestDatabase();
    const before = await readCatalog(database.sql);
    // Roles are the server's.
    await database.sql`create role varied_clerk`;
    try {
      await writeFile(join(folder, "0023_role_policy_generated.sql"), await withoutRole(folder));
      await migrate({ migrations: folder, url: database.url });
      expect(await readTables(database.sql)).toEqual(
        expect.arrayContaining(["author", "book", "event", "note"]),
      );
      for (let left = STEPS.length; left > 0; left--)
        await rollback({ migrations: folder, url: database.url, allowDataLoss: true });
      expect(await readCatalog(database.sql)).toEqual(before);
    } finally {
      await database.sql`drop role if exists varied_clerk`.catch(() => undefined);
    }
  });
});

/** The migration that makes a role, without that. */
async function withoutRole(folder: string): Promise<string> {
  const text = await readFile(join(folder, "0023_role_policy_generated.sql"), "utf8");
  return text.replace('CREATE ROLE "varied_clerk";', "SELECT 1;");
}

const FIRST: MigrationFiles = {
  tag: "0000_first",
  sql: [
    "CREATE SCHEMA shop; CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE shop.item (id serial PRIMARY KEY, label text, mood mood);",
    "CREATE TABLE author (id int, name text, upper text GENERATED ALWAYS AS (upper(name)) STORED); CREATE INDEX by_name ON author (name);",
    "CREATE FUNCTION f(a int, b text DEFAULT 'x') RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE VIEW v AS SELECT id FROM author;",
    "ALTER TABLE author ADD CONSTRAINT positive CHECK (id > 0); ALTER TABLE author ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON author;",
    "CREATE TYPE pair AS (a int, b int); CREATE FUNCTION feel(mood) RETURNS int LANGUAGE sql AS 'SELECT 1';",
    "CREATE TABLE two (a text, b text, amount int, amount_new bigint); CREATE SCHEMA other; CREATE TABLE shop.two (c int);",
  ].join(BREAKPOINT),
  down: "-- irreversible: the first",
};

interface Case {
  readonly title: string;
  readonly sql: string;
  readonly down: readonly string[];
  readonly state?: DownDraft["state"];
}

const CASES: readonly Case[] = [
  {
    title: "renames of all kinds, a table's with its sequence's and a column's",
    sql: [
      "ALTER SCHEMA shop RENAME TO store; ALTER TABLE store.item RENAME TO thing; ALTER TABLE store.thing RENAME label TO title;",
      "ALTER SEQUENCE store.item_id_seq RENAME TO thing_id_seq; ALTER TABLE store.thing RENAME CONSTRAINT item_pkey TO thing_pkey;",
      "ALTER TYPE mood RENAME TO state; ALTER TYPE state RENAME VALUE 'ok' TO 'fine'; ALTER FUNCTION f(int, text) RENAME TO g;",
      'ALTER VIEW v RENAME TO w; ALTER INDEX by_name RENAME TO "By Name"; ALTER POLICY own ON author RENAME TO mine; ALTER TYPE pair RENAME ATTRIBUTE a TO c;',
    ].join(BREAKPOINT),
    down: [
      'ALTER SCHEMA "store" RENAME TO "shop";',
      'ALTER TYPE "public"."state" RENAME TO "mood";',
      'ALTER TABLE "shop"."thing_id_seq" RENAME TO "item_id_seq";',
      'ALTER TABLE "shop"."thing" RENAME TO "item";',
      'ALTER TABLE "public"."w" RENAME TO "v";',
      'ALTER ROUTINE "public"."g"(a integer, b text) RENAME TO "f";',
      'ALTER TABLE "shop"."item" RENAME COLUMN "title" TO "label";',
      'ALTER TYPE "public"."pair" RENAME ATTRIBUTE "c" TO "a";',
      'ALTER TABLE "shop"."item" RENAME CONSTRAINT "thing_pkey" TO "item_pkey";',
      'ALTER INDEX "public"."By Name" RENAME TO "by_name";',
      'ALTER POLICY "mine" ON "public"."author" RENAME TO "own";',
      "ALTER TYPE \"public\".\"mood\" RENAME VALUE 'fine' TO 'ok';",
    ],
  },
  {
    title: "a table that moved to another schema under another name",
    sql: "ALTER TABLE shop.item SET SCHEMA public; ALTER TABLE item RENAME TO thing;",
    down: ['ALTER TABLE "public"."thing" SET SCHEMA "shop";', 'ALTER TABLE "shop"."thing" RENAME TO "item";'],
  },
  {
    title: "a rename, the old name taken by something new",
    sql: "ALTER TABLE author RENAME name TO title; ALTER TABLE author ADD name int;",
    down: [
      'ALTER TABLE "public"."author" RENAME COLUMN "name" TO "name_new";',
      'ALTER TABLE "public"."author" RENAME COLUMN "title" TO "name";',
      "-- loses: column author.name_new with its values",
      'ALTER TABLE "public"."author" DROP COLUMN "name_new";',
    ],
  },
  {
    title: "two columns that changed names with each other",
    sql: "ALTER TABLE two RENAME a TO tmp; ALTER TABLE two RENAME b TO a; ALTER TABLE two RENAME tmp TO b;",
    down: [
      'ALTER TABLE "public"."two" RENAME COLUMN "b" TO "b_aside";',
      'ALTER TABLE "public"."two" RENAME COLUMN "a" TO "b";',
      'ALTER TABLE "public"."two" RENAME COLUMN "b_aside" TO "a";',
    ],
  },
  {
    title: "a name that went on from one column to the next, of another type",
    sql: "ALTER TABLE two RENAME amount TO amount_old; ALTER TABLE two RENAME amount_new TO amount;",
    down: [
      'ALTER TABLE "public"."two" RENAME COLUMN "amount" TO "amount_new";',
      'ALTER TABLE "public"."two" RENAME COLUMN "amount_old" TO "amount";',
    ],
  },
  {
    title: "tables that changed places, between schemas",
    sql: "ALTER TABLE shop.two SET SCHEMA other; ALTER TABLE public.two SET SCHEMA shop; ALTER TABLE other.two SET SCHEMA public;",
    down: [
      'ALTER TABLE "shop"."two" RENAME TO "two_aside";',
      'ALTER TABLE "public"."two" SET SCHEMA "shop";',
      'ALTER TABLE "shop"."two_aside" SET SCHEMA "public";',
      'ALTER TABLE "public"."two_aside" RENAME TO "two";',
    ],
  },
  {
    title: "a type and the function that takes it, both renamed",
    sql: "ALTER TYPE mood RENAME TO state; ALTER FUNCTION feel(state) RENAME TO sense;",
    down: [
      'ALTER TYPE "public"."state" RENAME TO "mood";',
      'ALTER ROUTINE "public"."sense"(mood) RENAME TO "feel";',
    ],
  },
  {
    title: "a table that took the place of another",
    sql: "ALTER TABLE shop.item RENAME TO old; CREATE TABLE shop.item (n int);",
    down: ["-- loses: table shop.item_new with its rows"],
  },
  {
    title: "what is dropped and comes back empty",
    sql: "DROP VIEW v; DROP TABLE author;",
    down: ["-- loses: the rows that table author had before 0001_next: it comes back empty"],
  },
  {
    title: "what is new and goes with its rows, but not what is computed",
    sql: 'CREATE TABLE "New One" (id int); ALTER TABLE shop.item ADD n int, ADD twice int GENERATED ALWAYS AS (id * 2) STORED;',
    down: ["-- loses: column shop.item.n with its values", '-- loses: table "New One" with its rows'],
  },
  {
    title: "values that the older type does not hold",
    sql: "ALTER TABLE shop.item ALTER id TYPE bigint, ALTER label TYPE varchar(9);",
    down: ["-- loses: values of item.id that integer cannot hold as bigint can"],
  },
  {
    title: "a migration that changes rows alone",
    sql: "-- once\nUPDATE author SET name = 'x';",
    down: ["-- loses: nothing that is there, but what 0001_next.sql did to rows stays done"],
  },
  {
    title: "an index built concurrently",
    sql: "CREATE INDEX CONCURRENTLY i ON author (id);",
    down: ['DROP INDEX "public"."i";'],
  },
  { title: "a file without a statement", sql: "-- put your code below", down: [], state: "cannot-draft" },
];

describe("a draft from the schema before and after", () => {
  test.each(titled(CASES))("knows %s", async (_, { sql, down, state = "proved" }) => {
    const [draft] = await draftsOf(await makeFolder([FIRST, { tag: "0001_next", sql }]));
    expect(draft).toMatchObject({ tag: "0001_next", state, origin: state === "proved" ? "catalogs" : null });
    const lines = linesOf(draft).filter((line) => line !== BREAKPOINT.trim());
    // Where losses are given, the statements are PostgreSQL's matter.
    const marks = down.every((line) => line.startsWith("--"));
    expect(marks ? lines.filter((line) => line.startsWith("-- loses:")).sort() : lines).toEqual(down);
  });
});

describe("a draft that makes anew what could be kept", () => {
  test.each<[string, string, number]>([
    [
      "an enum's values",
      "ALTER TYPE mood RENAME TO old; CREATE TYPE mood AS ENUM ('sad', 'fine'); DROP TYPE old;",
      2,
    ],
    ["a column", "ALTER TABLE day DROP n CASCADE; ALTER TABLE day ADD n int;", 1],
    ["a table with its columns", "DROP TABLE day; CREATE TABLE day (n int, twice int);", 2],
    ["a view and a computed column, which hold nothing", "DROP VIEW days; ALTER TABLE day DROP twice;", 0],
  ])("is told by %s", async (_, undo, remade) => {
    const database = await createTestDatabase();
    const look = () =>
      withUrl(database.url, ({ sql }) => readIdentities(sql, { schema: "drizzle", table: "x" }));
    await database.sql.unsafe(`CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE VIEW days AS SELECT 1 AS n;
      CREATE TABLE day (n int, twice int GENERATED ALWAYS AS (n * 2) STORED);`);
    const before = await look();
    await database.sql.unsafe("ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'; ALTER TABLE day ADD more int");
    const after = await look();
    await database.sql.unsafe(undo);
    expect(countRemade(before, after, await look())).toBe(remade);
  });
});

describe("downs", () => {
  const TWO: readonly MigrationFiles[] = [
    { tag: "0000_first", sql: "CREATE TABLE author (id int);" },
    { tag: "0001_second", sql: "ALTER TABLE author ADD name text;", down: "SELECT 'by hand';" },
    {
      tag: "0002_third",
      sql: "CREATE INDEX i ON author (id);",
      down: "-- Undoes 0002.\n-- unfinished: later\n",
    },
    { tag: "0003_fourth", sql: "SELECT 1;", down: "-- unfinished: half done\nSELECT 'by hand';" },
  ];

  test("shows drafts for what is missing or empty and unfinished, and writes nothing; --write writes them, exit 0", async () => {
    const folder = await makeFolder(TWO);
    const before = await fingerprint(folder);
    const args = ["downs", "--migrations", folder];
    const shown = await runCli(args, { env: { SCRATCH_DATABASE_URL: url } });
    expect(shown).toMatchObject({ exitCode: 0, stderr: "" });
    expect(shown.stdout.replaceAll(/[\d.]+ m?s/g, "<time>")).toBe(
      [
        "0000_first  drafted and proved, from the schema before and after",
        "  | -- Undoes 0000_first. Drafted from the schema before and after it: read it before you need it.",
        "  | -- loses: table author with its rows",
        '  | DROP TABLE "public"."author";',
        "0002_third  drafted and proved, from the schema before and after",
        "  | -- Undoes 0002_third. Drafted from the schema before and after it: read it before you need it.",
        '  | DROP INDEX "public"."i";',
        "",
        "2 down files missing: 2 drafted and proved; <time>; nothing was written, say --write\n",
      ].join("\n"),
    );
    expect(await fingerprint(folder)).toEqual(before);

    const written = await runCli([...args, "--url", url, "--write", "--json"], { cwd: folder });
    expect(documentOf(written)).toMatchObject({
      drafts: [
        { tag: "0000_first", state: "proved" },
        { tag: "0002_third", state: "proved" },
      ],
      written: ["0000_first.down.sql", "0002_third.down.sql"],
    });
    expect(await readFile(join(folder, "0002_third.down.sql"), "utf8")).toMatch(
      /^-- Undoes [^\n]*\nDROP INDEX "public"."i";\n$/,
    );
    expect(await readFile(join(folder, "0001_second.down.sql"), "utf8")).toBe("SELECT 'by hand';");
    expect(await runCli([...args, "--url", url])).toMatchObject({
      exitCode: 0,
      stdout: "no down file is missing\n",
    });
  });

  test("a draft that is not proved is written with its mark, exit 1, and prove refuses it", async () => {
    const folder = await makeFolder([
      { tag: "0000_first", sql: "CREATE TABLE t (id int PRIMARY KEY);", down: "DROP TABLE t;" },
      { tag: "0001_row", sql: "INSERT INTO t VALUES (1);" },
    ]);
    const result = await runCli(["downs", "--migrations", folder, "--url", url, "--write"]);
    expect(result).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining("0001_row  drafted, not proved"),
    });
    const proved = await runCli(["prove", "--migrations", folder, "--url", url]);
    expect(proved).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining("is marked unproved: the up failed"),
    });
  });
});
