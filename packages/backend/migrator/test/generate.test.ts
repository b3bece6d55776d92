import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestDatabase } from "@repo/test-database";
import { generateDrizzleJson, generateMigration } from "drizzle-kit/api";
import { integer, pgTable, text } from "drizzle-orm/pg-core";
import { describe, expect, test } from "vitest";
import { generate as generateHere } from "../src/folder/generate.ts";
import { migrate, rollback } from "../src/index.ts";
import { type CliResult, documentOf, errorOf, runCli } from "./support/cli.ts";
import { failureOf, readCatalog, readLedgerRows, readTables } from "./support/database.ts";
import { BREAKPOINT } from "./support/folder.ts";
import { fingerprint, makeProject, writeFiles } from "./support/project.ts";
import { temporaryFolder } from "./support/temporary.ts";
import { titled } from "./support/titled.ts";

const AUTHOR = `import { integer, pgTable, text } from "drizzle-orm/pg-core";
export const author = pgTable("author", { id: integer().primaryKey(), name: text().notNull() });
`;

const AUTHOR_BORN = AUTHOR.replace("name: text().notNull()", "name: text().notNull(), born: text()");

const AUTHOR_RENAMED = AUTHOR.replace("name: text().notNull()", "title: text().notNull()");

/** Where scratch databases are made. */
const { url: scratchUrl } = await createTestDatabase();

/** Runs generate in a project, by flags. */
function generate(project: string, ...args: string[]): Promise<CliResult> {
  return generateWith({ SCRATCH_DATABASE_URL: scratchUrl }, project, ...args);
}

function generateWith(env: Record<string, string>, project: string, ...args: string[]): Promise<CliResult> {
  return runCli(["generate", "--schema", "schema.ts", "--migrations", "drizzle", ...args], {
    cwd: project,
    env,
  });
}

/** A project whose first migration is there already, as drizzle-kit would have written it. */
async function withAuthor(): Promise<string> {
  const empty = generateDrizzleJson({});
  const snapshot = generateDrizzleJson(
    { author: pgTable("author", { id: integer().primaryKey(), name: text().notNull() }) },
    empty.id,
  );
  const entry = { idx: 0, version: "7", when: 1_700_000_000_000, tag: "0000_author", breakpoints: true };
  return makeProject({
    "schema.ts": AUTHOR,
    "drizzle/0000_author.sql": (await generateMigration(empty, snapshot)).join(BREAKPOINT),
    "drizzle/meta/0000_snapshot.json": JSON.stringify(snapshot),
    "drizzle/meta/_journal.json": JSON.stringify({ version: "7", dialect: "postgresql", entries: [entry] }),
  });
}

interface JournalFile {
  readonly entries: readonly { readonly tag: string; readonly when: number }[];
}

async function readJournal(project: string): Promise<JournalFile> {
  return JSON.parse(await readFile(join(project, "drizzle", "meta", "_journal.json"), "utf8")) as JournalFile;
}

describe("generate", () => {
  test("writes migration, snapshot, journal and down draft, spaces their dates, and then finds nothing to do", async () => {
    const project = await makeProject({ "schema.ts": AUTHOR });
    const first = await generate(project, "--name", "author");
    expect(first).toMatchObject({ exitCode: 0, stderr: "" });
    expect(first.stdout.replace(/[\d.]+ m?s/, "<time>")).toBe(
      [
        "generated 0000_author",
        "  drizzle/0000_author.sql",
        "  drizzle/0000_author.down.sql",
        "  drizzle/meta/0000_snapshot.json",
        "proved: down undoes up (<time>)",
        "read both files before you commit\n",
      ].join("\n"),
    );
    expect(Object.keys(await fingerprint(join(project, "drizzle")))).toEqual([
      "0000_author.down.sql",
      "0000_author.sql",
      "meta/0000_snapshot.json",
      "meta/_journal.json",
    ]);
    expect((await readJournal(project)).entries).toMatchObject([{ idx: 0, tag: "0000_author" }]);

    // As a clock that was wrong, or another branch, leaves it behind.
    const future = Date.now() + 3_600_000;
    const journal = await readJournal(project);
    const entries = journal.entries.map((entry) => ({ ...entry, when: future }));
    await writeFiles(project, {
      "schema.ts": AUTHOR_BORN,
      "drizzle/meta/_journal.json": JSON.stringify({ ...journal, entries }, null, 2),
    });
    const second = await generate(project, "--name", "author_born", "--json");
    expect(documentOf(second)).toEqual({
      tag: "0001_author_born",
      files: [
        "drizzle/0001_author_born.sql",
        "drizzle/0001_author_born.down.sql",
        "drizzle/meta/0001_snapshot.json",
      ],
      downUnfinished: false,
      downProved: true,
    });
    expect((await readJournal(project)).entries).toMatchObject([
      { when: future, version: "7" },
      { when: future + 1000, version: "7" },
    ]);

    const before = await fingerprint(join(project, "drizzle"));
    const third = await generate(project, "--name", "nothing");
    expect(third).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^nothing to generate/) });
    expect(await fingerprint(join(project, "drizzle"))).toEqual(before);

    const database = await createTestDatabase();
    const input = { migrations: join(project, "drizzle"), url: database.url };
    const catalogs = [await readCatalog(database.sql)];
    for (const to of ["0000_author", "0001_author_born"]) {
      await migrate({ ...input, to });
      catalogs.push(await readCatalog(database.sql));
    }
    await rollback(input);
    expect(await readCatalog(database.sql)).toEqual(catalogs[1]);
    await rollback(input);
    expect(await readCatalog(database.sql)).toEqual(catalogs[0]);
  });

  test("takes folder and drizzle-kit's config from migrator.config.js, wherever it is called from", async () => {
    const project = await makeProject({
      "package.json": '{ "type": "module" }',
      "db/schema.ts": AUTHOR,
      "db/drizzle.config.ts":
        'export default { dialect: "postgresql", schema: "./schema.ts", out: "./drizzle" };\n',
      "db/migrator.config.js":
        'export default { migrations: "./drizzle", drizzleConfig: "./drizzle.config.ts" };\n',
    });
    const result = await runCli(["generate", "--config", "db/migrator.config.js", "--name", "author"], {
      cwd: project,
      env: { SCRATCH_DATABASE_URL: scratchUrl },
    });
    expect(result).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining("  db/drizzle/0000_author.down.sql\n"),
    });
    expect(await readFile(join(project, "db/drizzle/0000_author.sql"), "utf8")).toContain(
      'CREATE TABLE "author"',
    );
  });

  test("a rename without a terminal ends in a clear error, exit 2, with no file changed", async () => {
    const project = await withAuthor();
    await writeFiles(project, { "schema.ts": AUTHOR_RENAMED });
    const before = await fingerprint(join(project, "drizzle"));
    const result = await generate(project, "--name", "author_title", "--json");
    expect(result.exitCode).toBe(2);
    expect(errorOf(result)).toMatchObject({
      code: "rename-question",
      message: expect.stringContaining("whether something was renamed"),
      state: "no file was changed",
      fix: expect.stringContaining("in a terminal"),
    });
    expect(result.stderr).not.toMatch(/^\s+at /m);
    expect(await fingerprint(join(project, "drizzle"))).toEqual(before);
  });

  test.each([
    ["the first migration", {}],
    ["a later one", { "drizzle/meta/_journal.json": '{"version":"7","dialect":"postgresql","entries":[]}' }],
  ])(
    "a schema file that does not load is an error with drizzle-kit's words, with no file changed, for %s",
    async (_, files) => {
      const project = await makeProject({ "schema.ts": 'import "./not-there.ts";\n', ...files });
      const before = await fingerprint(join(project, "drizzle"));
      const result = await generate(project, "--name", "author");
      expect(result.exitCode).toBe(2);
      expect(result.stderr).toContain("drizzle-kit wrote no migration");
      expect(result.stderr).toContain("not-there");
      expect(result.stderr).toContain("state: no file was changed");
      expect(await fingerprint(join(project, "drizzle"))).toEqual(before);
    },
  );

  test("--custom makes an empty migration whose down file is unfinished, which rollback refuses", async () => {
    const project = await withAuthor();
    const result = await generate(project, "--name", "fill_author", "--custom");
    expect(result).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("finish it by hand") });
    expect(await readFile(join(project, "drizzle", "0001_fill_author.down.sql"), "utf8")).toMatch(
      /^-- unfinished: /m,
    );
    const sql = "INSERT INTO author VALUES (1, 'Kurt');\n";
    await writeFile(join(project, "drizzle", "0001_fill_author.sql"), sql);
    const database = await createTestDatabase();
    const input = { migrations: join(project, "drizzle"), url: database.url };
    await migrate(input);
    await expect(rollback(input)).rejects.toMatchObject({ code: "cannot-undo", exitCode: 2 });
    expect(await readLedgerRows(database.sql)).toHaveLength(2);
    expect(await readTables(database.sql)).toEqual(["author"]);
  });

  test.each([
    ["no name", undefined, "name-needed"],
    ["capitals", "AddRating", "name-invalid"],
    ["dashes", "add-rating", "name-invalid"],
    ["a path", "../x", "name-invalid"],
    ["two underscores", "add__rating", "name-invalid"],
    ["a digit first", "0008_rating", "name-invalid"],
    ["nothing", "", "name-invalid"],
  ])("%s is refused, with an example of a name", async (_, name, code) => {
    const error = await failureOf(
      generateHere(
        { migrations: "nowhere", schemaFile: "nowhere.ts", drizzleConfigFile: undefined },
        { name },
      ),
    );
    expect(error).toMatchObject({
      code,
      exitCode: 2,
      state: "no file was changed",
      fix: "for example: --name add_wishlist_rating",
    });
  });

  test("without schema and config it says which flags it needs, exit 2", async () => {
    const args = ["generate", "--migrations", "drizzle", "--name", "author", "--json"];
    const result = await runCli(args);
    expect(result.exitCode).toBe(2);
    expect(errorOf(result)).toMatchObject({
      code: "setting-missing",
      fix: expect.stringContaining("--schema <file>"),
    });
  });

  test("without drizzle-kit it says what to install, exit 2", async () => {
    const project = await temporaryFolder();
    await writeFiles(project, { "schema.ts": AUTHOR });
    const result = await generate(project, "--name", "author", "--json");
    expect(result.exitCode).toBe(2);
    expect(errorOf(result)).toMatchObject({ code: "drizzle-kit-missing", state: "no file was changed" });
  });

  test("a journal that is broken is left alone, exit 2", async () => {
    const project = await makeProject({ "schema.ts": AUTHOR, "drizzle/meta/_journal.json": "<<<<<<< HEAD" });
    const result = await generate(project, "--name", "author", "--json");
    expect(result.exitCode).toBe(2);
    expect(errorOf(result).code).toBe("journal-broken");
    expect(Object.keys(await fingerprint(join(project, "drizzle")))).toEqual(["meta/_journal.json"]);
  });
});

describe("generate proves the draft", () => {
  const SCORE = AUTHOR.replace("name: text().notNull()", "name: text().notNull(), score: integer()");

  test("where the snapshots do not know enough, it drafts from the schema before and after, and proves that", async () => {
    const project = await withAuthor();
    // From text, drizzle-kit changes the type without saying how to get there; back again it would not either.
    await writeFiles(project, {
      "schema.ts": AUTHOR.replace("name: text().notNull()", "name: varchar({ length: 9 })").replace(
        "text }",
        "varchar }",
      ),
    });
    const result = await generate(project, "--name", "short_name", "--json");
    expect(documentOf(result)).toMatchObject({ downProved: true, downUnfinished: false });
    const down = await readFile(join(project, "drizzle/0001_short_name.down.sql"), "utf8");
    expect(down).not.toContain("-- unproved");
    expect(down).toContain('ALTER TABLE "author" ALTER COLUMN "name" SET DATA TYPE text;');
  });

  test("a draft that does not undo the migration is marked, and CI refuses it", async () => {
    const project = await withAuthor();
    // As a hand left it: what runs before the new migration stops its second up.
    await writeFiles(project, {
      "schema.ts": SCORE,
      "drizzle/0000_author.sql": `CREATE TABLE "author" ("id" integer PRIMARY KEY, "name" text NOT NULL);${BREAKPOINT}${ONCE}`,
    });
    const result = await generate(project, "--name", "score");
    expect(result).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^not proved: .*only once/m) });
    expect(result.stdout).toContain("`migrator prove` and CI refuse it until then");
    const down = await readFile(join(project, "drizzle/0001_score.down.sql"), "utf8");
    expect(down).toMatch(/^-- Undoes [^\n]*\n-- unproved: the up failed the second time.*\n/);
    expect(down).toContain('ALTER TABLE "author" DROP COLUMN "score";');
    const { url } = await createTestDatabase();
    const refused = await runCli(["migrate", "--migrations", "drizzle", "--url", url, "--json"], {
      cwd: project,
      env: { CI: "1" },
    });
    expect(errorOf(refused).code).toBe("down-unfinished");
  });

  test.each<[string, Record<string, string>, readonly string[], RegExp]>([
    [
      "in production",
      { NODE_ENV: "production" },
      [],
      /^not proved, it could not be tried: .*NODE_ENV is production/m,
    ],
    [
      "where the server cannot be reached",
      { SCRATCH_DATABASE_URL: "postgres://nobody@127.0.0.1:1/none" },
      [],
      /^not proved, it could not be tried: .*127\.0\.0\.1:1/m,
    ],
    [
      "where told not to",
      {},
      ["--no-prove"],
      /^read both files before you commit; the down file is a draft$/m,
    ],
  ])("%s it says so, and the draft stays as it is, exit 0", async (_, env, flags, said) => {
    const project = await withAuthor();
    await writeFiles(project, { "schema.ts": SCORE });
    const result = await generateWith(env, project, "--name", "score", ...flags);
    expect(result).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(said) });
    const down = await readFile(join(project, "drizzle/0001_score.down.sql"), "utf8");
    expect(down).toContain('ALTER TABLE "author" DROP COLUMN "score";');
    expect(down).not.toContain("unproved");
  });

  /** An event trigger that lets one column be added to a table, and no second. */
  const ONCE = `CREATE SEQUENCE added;
    CREATE FUNCTION only_once() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
      IF nextval('added') > 2 THEN RAISE 'only once'; END IF; END $$;
    CREATE EVENT TRIGGER only_once ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION only_once();`;
});

describe("files are trusted, and not drizzle-kit's exit code", () => {
  /** A project with a program in drizzle-kit's place. */
  async function withKit(program: string): Promise<string> {
    const project = await temporaryFolder();
    const kit = join(project, "node_modules", "drizzle-kit");
    await mkdir(kit, { recursive: true });
    await writeFiles(project, {
      "schema.ts": AUTHOR,
      "drizzle/meta/_journal.json": JSON.stringify({ version: "7", dialect: "postgresql", entries: [] }),
      "node_modules/drizzle-kit/package.json": '{ "main": "index.js" }',
      "node_modules/drizzle-kit/index.js": "",
      "node_modules/drizzle-kit/bin.cjs": `const fs = require("node:fs");\n${program}`,
    });
    return project;
  }

  const ENTRY = { idx: 0, version: "7", when: 1, tag: "0000_author", breakpoints: true };
  const WRITE_JOURNAL = `fs.writeFileSync("drizzle/meta/_journal.json", ${JSON.stringify(
    JSON.stringify({ version: "7", dialect: "postgresql", entries: [ENTRY] }),
  )});`;

  test.each(
    titled([
      {
        title: "nothing written and exit code 0",
        program: 'console.log("all is well");',
        message: "drizzle-kit wrote no migration (its exit code was 0)",
      },
      {
        title: "a journal entry and SQL without a snapshot",
        program: `fs.writeFileSync("drizzle/0000_author.sql", "SELECT 1;"); ${WRITE_JOURNAL}`,
        message: "drizzle-kit wrote only a part of the migration",
      },
      {
        title: "SQL and snapshot without a journal entry",
        program:
          'fs.writeFileSync("drizzle/0000_author.sql", ""); fs.writeFileSync("drizzle/meta/0000_snapshot.json", "{}");',
        message: "drizzle-kit wrote only a part of the migration",
      },
    ]),
  )("%s is an error, and the folder is as before", async (_, { program, message }) => {
    const project = await withKit(program);
    const before = await fingerprint(join(project, "drizzle"));
    const result = await generate(project, "--name", "author", "--json");
    expect(result.exitCode).toBe(2);
    expect(errorOf(result)).toMatchObject({ code: "generate-failed", message });
    expect(await fingerprint(join(project, "drizzle"))).toEqual(before);
  });
});
