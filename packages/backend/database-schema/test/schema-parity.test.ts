import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createTestDatabase } from "@repo/test-database";
import { generateDrizzleJson, generateMigration } from "drizzle-kit/api";
import { describe, expect, test } from "vitest";
import * as schema from "../src/schema/index.ts";
import { readCatalog } from "./catalog.ts";
import { createMigratedDatabase, readJournal, readMigrationFile } from "./migrations.ts";

const packageFolder = fileURLToPath(new URL("..", import.meta.url));
const drizzleKit = join(dirname(createRequire(import.meta.url).resolve("drizzle-kit")), "bin.cjs");

describe("schema and SQL files", () => {
  test("a database made from the Drizzle schema alone equals one made from the SQL files", async () => {
    const fromFiles = await createMigratedDatabase();
    const fromSchema = await createTestDatabase();
    const statements = await generateMigration(generateDrizzleJson({}), generateDrizzleJson(schema));
    await fromSchema.sql.unsafe(statements.join("\n"));

    const catalog = await readCatalog(fromSchema.sql);
    expect(catalog).toEqual(await readCatalog(fromFiles.sql));
    // An empty catalog would equal another one: these are what the comparison is about.
    expect(catalog.constraints.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["c", "f", "p", "u"]));
    expect(catalog.columns.length).toBeGreaterThan(150);
    expect(catalog.enums.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["public.wishlist_currency", "public.wishlist_store"]),
    );
  });

  test("drizzle-kit generate on a copy of the tree generates nothing and changes no file", async () => {
    await withCopy(async (copy) => {
      const before = await readTree(copy);
      expect(await generate(copy)).toContain("No schema changes, nothing to migrate");
      expect(await readTree(copy)).toEqual(before);
    });
  });

  test("drizzle-kit generate on a copy with one more column writes a migration for it", async () => {
    await withCopy(async (copy) => {
      const file = join(copy, "src/schema/wishlist.ts");
      const text = await readFile(file, "utf8");
      await writeFile(file, text.replace('notes: text("notes"),', '$& probe: text("probe"),'));
      const next = numbered((await readJournal()).length);
      await generate(copy);
      const written = await readFile(join(copy, `src/migrations/app/${next}_probe.sql`), "utf8");
      expect(written).toBe('ALTER TABLE "wishlist_items" ADD COLUMN "probe" text;');
    });
  });
});

describe("journal and snapshots", () => {
  test("every entry has its number, a descriptive tag and a time more than a second after the one before", async () => {
    const journal = await readJournal();
    // Applied everywhere, these can never change; later ones may follow.
    expect(journal.map(({ tag }) => tag).slice(0, 8)).toEqual([
      "0000_gallery",
      "0001_moc_instructions",
      "0002_moc_gallery_links",
      "0003_moc_parts",
      "0004_moc_publishing",
      "0005_uploads",
      "0006_sets",
      "0007_wishlist_items",
    ]);
    for (const [index, entry] of journal.entries()) {
      expect(entry.idx).toBe(index);
      expect(entry.tag).toMatch(new RegExp(`^${numbered(index)}_[a-z0-9_]+$`));
      expect(entry.when).toBeGreaterThan((journal[index - 1]?.when ?? 0) + 1000);
      expect(entry.when).toBeLessThan(Date.now());
    }
  });

  test("the snapshots form one chain from one root", async () => {
    let previous = "00000000-0000-0000-0000-000000000000";
    for (const { tag } of await readJournal()) {
      const snapshot = JSON.parse(await readMigrationFile(`meta/${tag.slice(0, 4)}_snapshot.json`));
      expect(snapshot.prevId, tag).toBe(previous);
      previous = snapshot.id;
    }
  });

  test("each migration brings exactly one SQL file, one down file and one snapshot, and nothing else lies there", async () => {
    const journal = await readJournal();
    const files = await readdir(join(packageFolder, "src/migrations/app"), { recursive: true });
    expect(files.sort()).toEqual(
      [
        "meta",
        "meta/_journal.json",
        ...journal.flatMap(({ tag }) => [
          `${tag}.sql`,
          `${tag}.down.sql`,
          `meta/${tag.slice(0, 4)}_snapshot.json`,
        ]),
      ].sort(),
    );
  });
});

const numbered = (index: number) => String(index).padStart(4, "0");

/** The copy lies in the package's folder, so that its imports find node_modules. */
async function withCopy(use: (folder: string) => Promise<void>) {
  const folder = await mkdtemp(join(packageFolder, ".generate-"));
  try {
    for (const name of ["src", "package.json", "drizzle.config.ts", "migrator.config.js"]) {
      await cp(join(packageFolder, name), join(folder, name), { recursive: true });
    }
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function generate(folder: string) {
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [drizzleKit, "generate", "--name", "probe"], {
    cwd: folder,
  });
  return stdout;
}

async function readTree(folder: string) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    await Promise.all(files.sort().map(async (file) => [file, await readFile(file, "utf8")])),
  );
}
