import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryFolder } from "./temporary.ts";

/** A migration as a test writes it down. */
export interface MigrationFiles {
  readonly tag: string;
  /** Null for a journal entry without its file. */
  readonly sql: string | null;
  readonly down?: string;
  /** A second after the one before unless said. */
  readonly when?: number;
}

/** `when` of the first migration of a folder, in ms. */
export const FIRST_WHEN = 1_700_000_000_000;

/** `prevId` of a folder's first snapshot. */
export const FIRST_PREV_ID = "00000000-0000-0000-0000-000000000000";

export const BREAKPOINT = "\n--> statement-breakpoint\n";

/** Writes a Drizzle folder into a temporary folder, as drizzle-kit would. */
export async function makeFolder(migrations: readonly MigrationFiles[]): Promise<string> {
  const folder = await temporaryFolder();
  await writeMigrations(folder, migrations);
  return folder;
}

/** Writes journal, snapshots and files over what is in the folder. */
export async function writeMigrations(folder: string, migrations: readonly MigrationFiles[]): Promise<void> {
  await mkdir(join(folder, "meta"), { recursive: true });
  const entries = migrations.map(({ tag, when }, idx) => ({
    idx,
    version: "7",
    when: when ?? FIRST_WHEN + idx * 1000,
    tag,
    breakpoints: true,
  }));
  await writeJournal(folder, { version: "7", dialect: "postgresql", entries });
  let prevId = FIRST_PREV_ID;
  for (const { tag, sql, down } of migrations) {
    if (sql !== null) await writeFile(join(folder, `${tag}.sql`), sql);
    if (down !== undefined) await writeFile(join(folder, `${tag}.down.sql`), down);
    const snapshot = { id: `of ${tag}`, prevId };
    await writeFile(
      join(folder, "meta", `${tag.split("_")[0]}_snapshot.json`),
      JSON.stringify(snapshot, null, 2),
    );
    prevId = snapshot.id;
  }
}

/** Writes `meta/_journal.json`; text as it is, anything else as JSON. */
export async function writeJournal(folder: string, journal: unknown): Promise<void> {
  await mkdir(join(folder, "meta"), { recursive: true });
  const text = typeof journal === "string" ? journal : JSON.stringify(journal, null, 2);
  await writeFile(join(folder, "meta", "_journal.json"), text);
}

/** What Drizzle stores as `hash`, worked out from the file's bytes. */
export function hashOf(sql: string): string {
  return createHash("sha256").update(Buffer.from(sql, "utf8")).digest("hex");
}

/** Three plain migrations: a table, a column, a second table; each with its down file. */
export const THREE: readonly [MigrationFiles, MigrationFiles, MigrationFiles] = [
  {
    tag: "0000_author",
    sql: "CREATE TABLE author (id int PRIMARY KEY, name text NOT NULL);",
    down: "DROP TABLE author;",
  },
  {
    tag: "0001_author_born",
    sql: "ALTER TABLE author ADD COLUMN born date;",
    down: "ALTER TABLE author DROP COLUMN born;",
  },
  {
    tag: "0002_book",
    sql: `CREATE TABLE book (id int PRIMARY KEY, author_id int NOT NULL REFERENCES author (id));${BREAKPOINT}CREATE INDEX book_author ON book (author_id);`,
    down: `DROP INDEX book_author;${BREAKPOINT}DROP TABLE book;`,
  },
];

/** Tags of migrations. */
export function tagsOf(migrations: readonly MigrationFiles[]): string[] {
  return migrations.map(({ tag }) => tag);
}
