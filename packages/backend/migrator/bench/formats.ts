import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { GeneratedMigration } from "./migrations.ts";

/** Folders and files that hold the same migrations, one for each format. */
export interface Formats {
  /** For drizzle-kit, drizzle-orm and the migrator. */
  readonly drizzle: string;
  readonly dbmate: string;
  readonly nodePgMigrate: string;
  /** Holds `.gmrc` and `committed/`. */
  readonly graphileMigrate: string;
  /** One SQL file with everything. */
  readonly oneFile: string;
  /** The same with a transaction around each migration. */
  readonly oneFileCommitting: string;
}

/** Writes the migrations in every format below `folder`. */
export async function writeFormats(
  folder: string,
  migrations: readonly GeneratedMigration[],
): Promise<Formats> {
  const formats: Formats = {
    drizzle: join(folder, "drizzle"),
    dbmate: join(folder, "dbmate"),
    nodePgMigrate: join(folder, "node-pg-migrate"),
    graphileMigrate: join(folder, "graphile-migrate"),
    oneFile: join(folder, "all.sql"),
    oneFileCommitting: join(folder, "all-committing.sql"),
  };
  await writeDrizzle(formats.drizzle, migrations);
  await writeEach(formats.dbmate, migrations, ({ tag, statements }) => ({
    name: `2024${tag}.sql`,
    text: `-- migrate:up\n${statements.join("\n")}\n\n-- migrate:down\n`,
  }));
  await writeEach(formats.nodePgMigrate, migrations, ({ tag, statements }, index) => ({
    // Thirteen digits are taken for ms since 1970.
    name: `${FIRST_WHEN + index * 1000}_${tag}.sql`,
    text: `-- Up Migration\n${statements.join("\n")}\n\n-- Down Migration\n`,
  }));
  await writeGraphile(formats.graphileMigrate, migrations);
  const texts = migrations.map(({ statements }) => `${statements.join("\n")}\n`);
  await writeFile(formats.oneFile, texts.join(""));
  await writeFile(formats.oneFileCommitting, texts.map((text) => `BEGIN;\n${text}COMMIT;\n`).join(""));
  return formats;
}

/** `when` of the first migration, in ms since 1970. */
const FIRST_WHEN = 1_700_000_000_000;

/** Writes one Drizzle folder. */
export async function writeDrizzle(folder: string, migrations: readonly GeneratedMigration[]): Promise<void> {
  await writeEach(folder, migrations, ({ tag, statements }) => ({
    name: `${tag}.sql`,
    text: statements.join("--> statement-breakpoint\n"),
  }));
  const entries = migrations.map(({ tag }, idx) => ({
    idx,
    version: "7",
    when: FIRST_WHEN + idx * 1000,
    tag,
    breakpoints: true,
  }));
  await writeEach(join(folder, "meta"), migrations, ({ tag }, index) => ({
    name: `${tag.slice(0, 4)}_snapshot.json`,
    text: snapshot(index),
  }));
  const journal = { version: "7", dialect: "postgresql", entries };
  await writeFile(join(folder, "meta", "_journal.json"), JSON.stringify(journal, null, 2));
}

/** No runner reads more of a snapshot than its head. */
function snapshot(index: number): string {
  const id = (at: number) => `00000000-0000-0000-0000-${String(at + 1).padStart(12, "0")}`;
  return JSON.stringify(
    { id: id(index), prevId: id(index - 1), version: "7", dialect: "postgresql" },
    null,
    2,
  );
}

/** graphile-migrate chains its files by hashes over the file and the hash before it. */
async function writeGraphile(folder: string, migrations: readonly GeneratedMigration[]): Promise<void> {
  let previous: string | undefined;
  await writeEach(join(folder, "committed"), migrations, ({ tag, statements }, index) => {
    const body = statements.join("\n");
    const hash = `sha1:${createHash("sha1")
      .update(`${`${previous ?? ""}\n${body}`.trim()}\n`)
      .digest("hex")}`;
    const text = `--! Previous: ${previous ?? "-"}\n--! Hash: ${hash}\n\n${body}\n`;
    previous = hash;
    return { name: `${String(index + 1).padStart(6, "0")}-${tag.slice(5)}.sql`, text };
  });
  await writeFile(join(folder, ".gmrc"), JSON.stringify({ migrationsFolder: folder }));
}

async function writeEach(
  folder: string,
  migrations: readonly GeneratedMigration[],
  fileOf: (migration: GeneratedMigration, index: number) => { readonly name: string; readonly text: string },
): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [index, migration] of migrations.entries()) {
    const { name, text } = fileOf(migration, index);
    await writeFile(join(folder, name), text);
  }
}
