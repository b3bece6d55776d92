import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { migrate } from "@repo/migrator";
import { createTemplate, createTestDatabase } from "@repo/test-database";
import type { Sql } from "postgres";

/** The folder under test. */
export const migrations = fileURLToPath(new URL("../src/migrations/app", import.meta.url));

/** The migration of the story WISH-2007, which later ones may follow. */
export const wishlistTag = "0007_wishlist_items";

/** A line of `meta/_journal.json`. */
export interface JournalEntry {
  readonly idx: number;
  readonly when: number;
  readonly tag: string;
}

/** The journal as it lies on disk. */
export async function readJournal(): Promise<readonly JournalEntry[]> {
  const journal: { entries: JournalEntry[] } = JSON.parse(await readMigrationFile("meta/_journal.json"));
  return journal.entries;
}

/** The text of a file in the folder under test. */
export const readMigrationFile = (name: string) => readFile(`${migrations}/${name}`, "utf8");

/** A database of its own for the calling test file with every migration applied. */
export async function createMigratedDatabase() {
  const template = await createTemplate("wishlist", async (url) => {
    await migrate({ url, migrations });
  });
  return createTestDatabase({ template });
}

/** A database of its own as 0007 left it, however many migrations came later: for what 0007 alone promises. */
export async function createDatabaseOf0007() {
  const template = await createTemplate("wishlist of 0007", async (url) => {
    await migrate({ url, migrations, to: wishlistTag });
  });
  return createTestDatabase({ template });
}

/** The ledger's rows in the order they were written. */
export async function readLedger(sql: Sql): Promise<readonly object[]> {
  const rows = await sql`SELECT id, hash, created_at FROM drizzle.__drizzle_migrations ORDER BY id`;
  return [...rows];
}
