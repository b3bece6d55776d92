import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestDatabase } from "@repo/test-database";
import { generateDrizzleJson, generateMigration } from "drizzle-kit/api";
import { sql } from "drizzle-orm";
import {
  type AnyPgColumn,
  check,
  foreignKey,
  index,
  integer,
  pgEnum,
  pgSchema,
  pgTable,
  pgView,
  primaryKey,
  serial,
  text,
  unique,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { expect, test } from "vitest";
import { draftDown } from "../src/folder/downs.ts";
import { migrate, rollback } from "../src/index.ts";
import { readCatalog } from "./support/database.ts";
import { BREAKPOINT, makeFolder, writeMigrations } from "./support/folder.ts";
import { makeProject } from "./support/project.ts";
import { titled } from "./support/titled.ts";

const author = pgTable("author", { id: integer().primaryKey(), name: text().notNull() });
const mood = pgEnum("mood", ["good", "bad"]);
const shop = pgSchema("shop");

/** Two schemas, and the file between them where drizzle-kit would have asked about a rename. */
interface Change {
  readonly title: string;
  readonly before: Record<string, unknown>;
  readonly after: Record<string, unknown>;
  readonly up?: string;
  /** What the draft must hold, or must not. */
  readonly draft?: RegExp;
}

const CHANGES: readonly Change[] = [
  { title: "a first table", before: {}, after: { author } },
  {
    title: "an added column",
    before: { author },
    after: {
      author: pgTable("author", {
        id: integer().primaryKey(),
        name: text().notNull(),
        born: integer().default(7),
      }),
    },
  },
  {
    title: "a dropped column",
    before: {
      author: pgTable("author", { id: integer().primaryKey(), name: text().notNull(), born: integer() }),
    },
    after: { author },
  },
  {
    title: "a dropped table",
    before: { author, note: pgTable("note", { id: serial().primaryKey(), text: text().default("none") }) },
    after: { author },
  },
  {
    title: "new tables that refer to each other in a row, dropped in order and without CASCADE",
    before: {},
    after: (() => {
      const c = pgTable("c", { id: integer().primaryKey() });
      const a = pgTable("a", { id: integer().primaryKey(), c: integer().references(() => c.id) });
      const b = pgTable("b", {
        id: integer().primaryKey(),
        a: integer().references(() => a.id, { onDelete: "cascade" }),
        c: integer().references(() => c.id),
      });
      const alone = pgTable("alone", { id: integer().primaryKey(), self: integer() }, (table) => [
        foreignKey({ columns: [table.self], foreignColumns: [table.id] }),
      ]);
      return { b, c, a, alone };
    })(),
    draft: /^(?![\s\S]*CASCADE)[\s\S]*DROP TABLE "b";[\s\S]*DROP TABLE "a";[\s\S]*DROP TABLE "c";/,
  },
  {
    title: "new tables that refer to each other in a circle",
    before: {},
    after: (() => {
      const one = pgTable("one", {
        id: integer().primaryKey(),
        two: integer().references((): AnyPgColumn => two.id),
      });
      const two = pgTable("two", {
        id: integer().primaryKey(),
        one: integer().references((): AnyPgColumn => one.id),
      });
      return { one, two };
    })(),
  },
  {
    title: "an enum with the table that uses it",
    before: { author },
    after: {
      author,
      mood,
      day: pgTable("day", { id: integer().primaryKey(), mood: mood().notNull().default("good") }),
    },
    draft: /DROP TABLE "day";[\s\S]*DROP TYPE/,
  },
  {
    title: "a column of an enum on a table that stays",
    before: { mood, day: pgTable("day", { id: integer().primaryKey() }) },
    after: { mood, day: pgTable("day", { id: integer().primaryKey(), mood: mood() }) },
  },
  {
    title: "a new enum and a column of it",
    before: { day: pgTable("day", { id: integer().primaryKey() }) },
    after: { mood, day: pgTable("day", { id: integer().primaryKey(), mood: mood() }) },
  },
  {
    title: "a schema with a table that others refer to",
    before: {},
    after: (() => {
      const item = shop.table("item", { id: uuid().primaryKey() });
      return { shop, item, sale: pgTable("sale", { id: integer(), item: uuid().references(() => item.id) }) };
    })(),
  },
  {
    title: "indexes, checks, unique and primary keys",
    before: {
      author: pgTable("author", { id: integer().notNull(), name: text().notNull(), born: integer() }),
    },
    after: {
      author: pgTable(
        "author",
        { id: integer().notNull(), name: text().notNull(), born: integer() },
        (table) => [
          primaryKey({ columns: [table.id, table.name] }),
          unique("author_name").on(table.name),
          index("author_born").on(table.born.desc()),
          uniqueIndex("author_lower").on(sql`lower(${table.name})`).where(sql`born > 0`),
          check("author_born_check", sql`born > 0`),
        ],
      ),
    },
  },
  {
    title: "a foreign key on tables that stay",
    before: { author, book: pgTable("book", { id: integer().primaryKey(), author: integer() }) },
    after: {
      author,
      book: pgTable("book", { id: integer().primaryKey(), author: integer().references(() => author.id) }),
    },
  },
  {
    title: "defaults and NOT NULL",
    before: {
      author: pgTable("author", { id: integer().primaryKey(), name: text(), n: integer().default(1) }),
    },
    after: {
      author: pgTable("author", {
        id: integer().primaryKey(),
        name: text().notNull(),
        n: integer().default(2),
      }),
    },
  },
  {
    title: "a view",
    before: { author },
    after: { author, names: pgView("names").as((query) => query.select({ name: author.name }).from(author)) },
  },
  {
    title: "a renamed column",
    before: { author },
    after: { author: pgTable("author", { id: integer().primaryKey(), title: text().notNull() }) },
    up: 'ALTER TABLE "author" RENAME COLUMN "name" TO "title";',
    draft: /^ALTER TABLE "author" RENAME COLUMN "title" TO "name";$/m,
  },
  {
    title: "a renamed column with an index and a unique key on it, beside a new one",
    before: {
      author: pgTable("author", { id: integer().primaryKey(), name: text().notNull() }, (table) => [
        index("by_name").on(table.name),
        unique("one_name").on(table.name),
      ]),
    },
    after: {
      author: pgTable(
        "author",
        { id: integer().primaryKey(), title: text().notNull(), born: integer() },
        (table) => [index("by_name").on(table.title), unique("one_name").on(table.title)],
      ),
    },
    up: `ALTER TABLE "author" RENAME COLUMN "name" TO "title";${BREAKPOINT}ALTER TABLE "author" ADD COLUMN "born" integer;`,
    // Renamed back, they need not be dropped and built again.
    draft: /^(?![\s\S]*(INDEX|CONSTRAINT))/,
  },
  {
    title: "a renamed column that another table refers to",
    before: (() => {
      const one = pgTable("one", { id: integer().primaryKey() });
      const two = pgTable("two", { one: integer() }, (table) => [
        foreignKey({ name: "two_one", columns: [table.one], foreignColumns: [one.id] }),
      ]);
      return { one, two };
    })(),
    after: (() => {
      const one = pgTable("one", { number: integer().primaryKey() });
      const two = pgTable("two", { one: integer() }, (table) => [
        foreignKey({ name: "two_one", columns: [table.one], foreignColumns: [one.number] }),
      ]);
      return { one, two };
    })(),
    up: 'ALTER TABLE "one" RENAME COLUMN "id" TO "number";',
    draft: /^(?![\s\S]*CONSTRAINT)/,
  },
  {
    title: "a renamed table",
    before: { author },
    after: { writer: pgTable("writer", { id: integer().primaryKey(), name: text().notNull() }) },
    up: 'ALTER TABLE "author" RENAME TO "writer";',
    draft: /^ALTER TABLE "writer" RENAME TO "author";$/m,
  },
  {
    title: "a renamed table that another refers to, its foreign key made anew under a new name",
    before: {
      author,
      book: pgTable("book", { id: integer().primaryKey(), author: integer().references(() => author.id) }),
    },
    after: (() => {
      const writer = pgTable("writer", { id: integer().primaryKey(), name: text().notNull() });
      return {
        writer,
        book: pgTable("book", { id: integer().primaryKey(), author: integer().references(() => writer.id) }),
      };
    })(),
    up: [
      'ALTER TABLE "author" RENAME TO "writer";',
      'ALTER TABLE "book" DROP CONSTRAINT "book_author_author_id_fk";',
      'ALTER TABLE "book" ADD CONSTRAINT "book_author_writer_id_fk" FOREIGN KEY ("author") REFERENCES "public"."writer"("id") ON DELETE no action ON UPDATE no action;',
    ].join(BREAKPOINT),
  },
  {
    title: "a table and a column of it, both renamed",
    before: { author },
    after: { writer: pgTable("writer", { id: integer().primaryKey(), title: text().notNull() }) },
    up: 'ALTER TABLE "author" RENAME TO "writer";\n--> statement-breakpoint\nALTER TABLE "writer" RENAME COLUMN "name" TO "title";',
  },
  {
    title: "a renamed column of a table in another schema",
    before: { shop, item: shop.table("item", { id: integer().primaryKey(), name: text() }) },
    after: { shop, item: shop.table("item", { id: integer().primaryKey(), title: text() }) },
    up: 'ALTER TABLE "shop"."item" RENAME COLUMN "name" TO "title";',
  },
];

/** Where drizzle-kit is found from. */
const project = await makeProject({ "package.json": "{}" });

test.each(titled(CHANGES))("the drafted down file undoes %s", async (_, change) => {
  const empty = generateDrizzleJson({});
  const before = generateDrizzleJson(change.before, empty.id);
  const after = generateDrizzleJson(change.after, before.id);
  const text = async (...between: Parameters<typeof generateMigration>) =>
    (await generateMigration(...between)).join(BREAKPOINT);
  const files = [
    { tag: "0000_before", sql: await text(empty, before) },
    { tag: "0001_after", sql: change.up ?? (await text(before, after)) },
  ];
  const folder = await makeFolder(files);
  await writeFile(join(folder, "meta", "0000_snapshot.json"), JSON.stringify(before));
  await writeFile(join(folder, "meta", "0001_snapshot.json"), JSON.stringify(after));
  const draft = await draftDown(folder, project, "0001_after", "0000_before");
  expect(draft).toMatch(/^-- Undoes 0001_after\./);
  expect(draft).not.toContain("-- unfinished");
  if (change.draft) expect(draft).toMatch(change.draft);
  await writeFile(join(folder, "0001_after.down.sql"), draft);

  const database = await createTestDatabase();
  const input = { migrations: folder, url: database.url };
  await migrate({ ...input, to: "0000_before" });
  const catalog = await readCatalog(database.sql);
  await migrate(input);
  expect(await readCatalog(database.sql)).not.toEqual(catalog);
  await rollback(input);
  expect(await readCatalog(database.sql)).toEqual(catalog);
});

test.each(
  titled([
    { title: "the snapshots are equal", before: { author }, after: { author }, reason: "do not show what" },
    {
      title: "drizzle-kit would ask a question",
      before: { author },
      after: { author: pgTable("author", { id: integer().primaryKey(), title: text().notNull() }) },
      reason: "drizzle-kit could not draft it",
    },
  ]),
)("where %s, the draft says that it is unfinished, and why", async (_, { before, after, reason }) => {
  const files = [
    { tag: "0000_before", sql: "" },
    { tag: "0001_after", sql: "UPDATE author SET name = '';" },
  ];
  const folder = await makeFolder(files);
  await writeMigrations(folder, files);
  await writeFile(join(folder, "meta", "0000_snapshot.json"), JSON.stringify(generateDrizzleJson(before)));
  await writeFile(join(folder, "meta", "0001_snapshot.json"), JSON.stringify(generateDrizzleJson(after)));
  const draft = await draftDown(folder, project, "0001_after", "0000_before");
  expect(draft).toMatch(/^-- unfinished: /m);
  expect(draft).toContain(reason);
});

test("a missing snapshot leaves an unfinished draft, not a failure", async () => {
  const folder = await makeFolder([{ tag: "0000_first", sql: "SELECT 1;" }]);
  await writeFile(join(folder, "meta", "0000_snapshot.json"), "not JSON");
  expect(await draftDown(folder, project, "0000_first", undefined)).toMatch(
    /^-- unfinished: drizzle-kit could not/m,
  );
});
