import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestDatabase } from "@repo/test-database";
import { beforeAll, describe, expect, test } from "vitest";
import { readSettings } from "../src/config.ts";
import { checkFolder } from "../src/verify/folder-check.ts";
import { runCli } from "./support/cli.ts";
import { failureOf } from "./support/database.ts";
import { makeProject, writeFiles } from "./support/project.ts";

const SCHEMA = `import { sql } from "drizzle-orm";
import { check, index, integer, pgEnum, pgTable, text, uniqueIndex } from "drizzle-orm/pg-core";
export const mood = pgEnum("mood", ["sad", "happy"]);
export const author = pgTable("author", {
  id: integer("id").primaryKey().generatedAlwaysAsIdentity(),
  name: text("name").notNull().default("nobody"),
  mood: mood("mood"),
}, (t) => [index("author_name").on(t.name), uniqueIndex("author_mood").on(t.mood).where(sql\`mood <> 'sad'\`), check("named", sql\`name <> ''\`)]);
export const book = pgTable("book", {
  id: integer("id").primaryKey(),
  authorId: integer("author_id").notNull().references(() => author.id, { onDelete: "cascade" }),
});
`;

/** What drizzle-kit generates from the schema, made once. */
let generated: Readonly<Record<string, string>> = {};

beforeAll(async () => {
  const project = await makeProject({ "schema.ts": SCHEMA });
  const made = await runCli(
    ["generate", "--name", "first", "--migrations", "drizzle", "--schema", "schema.ts", "--no-prove"],
    {
      cwd: project,
    },
  );
  expect(made).toMatchObject({ exitCode: 0 });
  const names = [
    "schema.ts",
    "drizzle/0000_first.sql",
    "drizzle/meta/_journal.json",
    "drizzle/meta/0000_snapshot.json",
  ];
  generated = Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [name, await readFile(join(project, name), "utf8")] as const),
    ),
  );
});

type Files = Readonly<Record<string, string>>;

/** The project with changes to its files. */
async function prepare(change: (files: Files) => Files): Promise<{ project: string; args: string[] }> {
  const config = 'export default { migrations: "./drizzle", schema: "./schema.ts" };';
  const project = await makeProject(change({ ...generated, "migrator.config.js": config }));
  const { url } = await createTestDatabase();
  return { project, args: ["check", "--folder", "--url", url] };
}

/** A second migration, written by hand as `generate --custom` leaves it. */
function withCustom(files: Files, sql: string): Files {
  const journal = JSON.parse(files["drizzle/meta/_journal.json"] ?? "") as { entries: { when: number }[] };
  const [first] = journal.entries;
  const entries = [first, { ...first, idx: 1, tag: "0001_custom", when: (first?.when ?? 0) + 1000 }];
  const snapshot = JSON.parse(files["drizzle/meta/0000_snapshot.json"] ?? "") as { id: string };
  return {
    ...files,
    "drizzle/0001_custom.sql": sql,
    "drizzle/meta/_journal.json": JSON.stringify({ ...journal, entries }),
    "drizzle/meta/0001_snapshot.json": JSON.stringify({ ...snapshot, id: "second", prevId: snapshot.id }),
  };
}

async function textsOf(change: (files: Files) => Files): Promise<readonly string[]> {
  const { project, args } = await prepare(change);
  const settings = await readSettings({ config: join(project, "migrator.config.js"), url: args.at(-1) });
  return (await checkFolder(settings)).drift.map(({ text }) => text);
}

describe("check --folder", () => {
  test("agrees with what drizzle-kit has just generated, exit 0", async () => {
    const { project, args } = await prepare((files) => files);
    expect(await runCli(args, { cwd: project })).toMatchObject({
      exitCode: 0,
      stdout: "no drift: the folder's SQL agrees with its last snapshot and the Drizzle schema\n",
    });
  });

  test("has roles that migrations make, and that the schema names, stood in for", async () => {
    const sql = `CREATE ROLE folder_reader; ALTER TABLE book ENABLE ROW LEVEL SECURITY;
      CREATE POLICY "own" ON "book" AS PERMISSIVE FOR ALL TO "folder_reader";`;
    const schema = SCHEMA.replace("check, index", "check, index, pgPolicy, pgRole")
      .replace("export const author", 'export const reader = pgRole("folder_reader");\nexport const author')
      .replace(
        'onDelete: "cascade" }),\n});',
        'onDelete: "cascade" }),\n}, () => [pgPolicy("own", { to: reader })]);',
      );
    const texts = await textsOf((files) => ({ ...withCustom(files, sql), "schema.ts": schema }));
    // The schema agrees; the snapshot was copied from before.
    expect(texts).toContain("policy `book.own` is made by the migrations, but not in its last snapshot");
    expect(texts.join()).not.toContain("Drizzle schema");
  });

  test("does not mind what Drizzle's language cannot say", async () => {
    const sql = `CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TRIGGER t BEFORE UPDATE ON book FOR EACH ROW EXECUTE FUNCTION f();
      COMMENT ON TABLE book IS 'x'; CREATE STATISTICS s ON id, author_id FROM book; CREATE DOMAIN d AS text;`;
    expect(await textsOf((files) => withCustom(files, sql))).toEqual([]);
  });

  test.each<[string, (files: Files) => Files, readonly string[]]>([
    [
      "a default that the snapshot has and no SQL sets",
      (files) => ({
        ...files,
        "drizzle/0000_first.sql": (files["drizzle/0000_first.sql"] ?? "").replace(" DEFAULT 'nobody'", ""),
      }),
      ["column `author.name` has no default; its last snapshot and the Drizzle schema say 'nobody'::text"],
    ],
    [
      "a table made by hand",
      (files) => withCustom(files, "CREATE TABLE hidden (n int);"),
      ["table `hidden` is made by the migrations, but not in its last snapshot and the Drizzle schema"],
    ],
    [
      "a change of the schema without a migration",
      (files) => ({
        ...files,
        "schema.ts": SCHEMA.replace(
          '"id").primaryKey(),\n',
          '"id").primaryKey(),\n  pages: integer("pages"),\n',
        ),
      }),
      ["column `book.pages` is in the Drizzle schema, but no migration makes it"],
    ],
  ])("finds %s, exit 1", async (_, change, texts) => {
    expect(await textsOf(change)).toEqual(texts);
  });

  test("cannot compare a folder without snapshot and schema, exit 2", async () => {
    const { project, args } = await prepare((files) => files);
    await rm(join(project, "drizzle/meta/0000_snapshot.json"));
    await writeFile(join(project, "migrator.config.js"), 'export default { migrations: "./drizzle" };');
    const result = await runCli(args, { cwd: project });
    expect(result).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("nothing to compare the folder with"),
    });
  });

  test("cannot compare one that does not run on an empty database, exit 2", async () => {
    const { project, args } = await prepare((files) =>
      withCustom(files, "ALTER TABLE nowhere ADD COLUMN n int;"),
    );
    const result = await runCli(args, { cwd: project });
    expect(result).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("do not run on an empty database: 0001_custom.sql, statement 1 of 1"),
    });
  });

  test("leaves nothing behind, neither files nor scratch databases", async () => {
    const { project, args } = await prepare((files) => files);
    await writeFiles(project, { "schema.ts": "export const broken = ;" });
    const settings = await readSettings({ config: join(project, "migrator.config.js"), url: args.at(-1) });
    await failureOf(checkFolder(settings));
    expect((await readdir(project)).sort()).toEqual([
      "drizzle",
      "migrator.config.js",
      "node_modules",
      "schema.ts",
    ]);
  });
});
