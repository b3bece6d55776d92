import { hash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import * as z from "zod/mini";
import { MigratorError } from "../errors.ts";
import { isUpFile, type Journal, journalPath, readJournal } from "./journal.ts";
import { type Statement, splitStatements } from "./statements.ts";

/** One entry of the journal with its files. */
export interface Migration {
  readonly tag: string;
  /** Journal's `when`: ms since 1970; stored in the ledger as `created_at`. */
  readonly when: number;
  /** `NNNN_name.sql` */
  readonly fileName: string;
  /** The file's content; undefined when the journal names a file that is not there. */
  readonly up: Script | undefined;
  readonly down: DownScript | undefined;
  readonly snapshot: SnapshotHead | undefined;
}

/** The ids of a snapshot; both empty where it cannot be read or lacks one. */
export interface SnapshotHead {
  readonly id: string;
  readonly prevId: string;
}

export interface Script {
  readonly fileName: string;
  /** sha256 of the file's text, in hex: exactly what Drizzle stores. */
  readonly hash: string;
  readonly statements: readonly Statement[];
}

export interface DownScript extends Script {
  /** Reason given on a line `-- irreversible: <reason>`. */
  readonly irreversible: string | undefined;
  /** Reason given on a line `-- unfinished: <reason>`, which `generate` writes where it could not draft. */
  readonly unfinished: string | undefined;
  /** Reason given on a line `-- unproved: <reason>`, which `generate` and `downs` write where a draft does not undo its up. */
  readonly unproved: string | undefined;
  /** What is lost, by the lines `-- loses: <what>`. */
  readonly loses: readonly string[];
}

/** A Drizzle migrations folder as it is on disk. */
export interface MigrationFolder {
  readonly path: string;
  /** In journal order, which is the order they run in. */
  readonly migrations: readonly Migration[];
  /** Up files (`*.sql`, not `*.down.sql`) that the journal does not name. */
  readonly orphans: readonly string[];
}

/** How many migrations are read without a pause: a millisecond's work. */
const FILES_AT_ONCE = 16;

/**
 * Reads the whole folder before anything runs: nothing is decided on half of it.
 * @throws MigratorError `folder-missing`, `journal-missing`, `journal-broken`, `v1-layout`
 */
export async function readFolder(path: string): Promise<MigrationFolder> {
  const names = new Set(await listFolder(path));
  if (hasV1Layout(path, names)) throw v1Layout(path, existsSync(journalPath(path)));
  const journal = await readJournal(path, names);
  const snapshots = new Set(await readdir(join(path, "meta")).catch(() => []));
  const migrations: Migration[] = [];
  for (const [index, entry] of journal.entries.entries()) {
    // Between two handfuls the database, which is connected to meanwhile, can be answered: a start would wait for all files.
    if (index % FILES_AT_ONCE === FILES_AT_ONCE - 1) await setImmediate();
    migrations.push(readMigration(path, names, snapshots, entry));
  }
  const named = new Set(migrations.map((migration) => migration.fileName));
  const orphans = [...names].filter((name) => isUpFile(name) && !named.has(name)).sort();
  return { path, migrations, orphans };
}

/** Name of the file that undoes a migration. */
export function downFileName(tag: string): string {
  return `${tag}.down.sql`;
}

/** @param flag that named it, for the fix. @throws MigratorError `unknown-tag` */
export function indexOfTag(folder: MigrationFolder, tag: string, flag: string): number {
  const index = folder.migrations.findIndex((migration) => migration.tag === tag);
  if (index >= 0) return index;
  throw new MigratorError({
    code: "unknown-tag",
    message: `there is no migration ${JSON.stringify(tag)} in ${folder.path}`,
    details: [`there are: ${folder.migrations.map((migration) => migration.tag).join(", ")}`],
    state: "nothing was changed",
    fix: `give ${flag} one of these`,
  });
}

/** Snapshots are named by the tag's number: `0007_wishlist_items` has `0007_snapshot.json`. */
export function snapshotPath(folder: string, tag: string): string {
  return join(folder, "meta", snapshotName(tag));
}

function snapshotName(tag: string): string {
  return `${tag.split("_")[0]}_snapshot.json`;
}

/** Does not wait: many small files are read several times faster so than through Node's four threads. */
function readMigration(
  path: string,
  names: ReadonlySet<string>,
  snapshots: ReadonlySet<string>,
  entry: Journal["entries"][number],
): Migration {
  const fileName = `${entry.tag}.sql`;
  const downName = downFileName(entry.tag);
  return {
    tag: entry.tag,
    when: entry.when,
    fileName,
    up: names.has(fileName) ? parseScript(fileName, readText(path, fileName)) : undefined,
    down: names.has(downName) ? parseDown(downName, readText(path, downName)) : undefined,
    snapshot: snapshots.has(snapshotName(entry.tag)) ? readHead(snapshotPath(path, entry.tag)) : undefined,
  };
}

/** Snapshots are large, and only their first lines matter here: there drizzle-kit writes the ids. */
function readHead(path: string): SnapshotHead {
  const text = readStart(path);
  const id = /"id":\s*"([^"]*)"/.exec(text)?.[1];
  const prevId = /"prevId":\s*"([^"]*)"/.exec(text)?.[1];
  // A merge conflict begins at the first line that differs, which is that of an id.
  const conflicting = /^<{7} /m.test(text);
  return id === undefined || prevId === undefined || conflicting ? readIds(path) : { id, prevId };
}

function readStart(path: string): string {
  const file = openSync(path, "r");
  try {
    return head.toString("utf8", 0, readSync(file, head));
  } finally {
    closeSync(file);
  }
}

/** `drizzle-kit up`, and whoever sorts keys, put the ids at another place; what is no snapshot has none. */
function readIds(path: string): SnapshotHead {
  try {
    return z.parse(headSchema, JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return { id: "", prevId: "" };
  }
}

const headSchema = z.object({ id: z.string(), prevId: z.string() });

const head = Buffer.alloc(512);

function readText(path: string, name: string): string {
  return readFileSync(join(path, name), "utf8");
}

function parseScript(fileName: string, text: string): Script {
  let statements: readonly Statement[] | undefined;
  return {
    fileName,
    hash: hash("sha256", text),
    // Of applied files nobody asks for them.
    get statements() {
      statements ??= splitStatements(text);
      return statements;
    },
  };
}

/** A down file's text as a value. */
export function parseDown(fileName: string, text: string): DownScript {
  const script = parseScript(fileName, text);
  // Read when somebody asks: most runs look at no down file.
  return {
    fileName,
    hash: script.hash,
    get statements() {
      return script.statements;
    },
    get irreversible() {
      return marksOf(text, "irreversible\\b:?")[0];
    },
    get unfinished() {
      return marksOf(text, "unfinished\\b:?")[0];
    },
    get unproved() {
      return marksOf(text, "unproved:")[0];
    },
    get loses() {
      return marksOf(text, "loses:");
    },
  };
}

/** The texts behind a mark such as `-- irreversible: reason`, each on a line of its own. */
function marksOf(text: string, mark: string): readonly string[] {
  const lines = text.matchAll(new RegExp(`^[ \\t]*--[ \\t]*${mark}[ \\t]*(.*?)[ \\t]*\\r?$`, "gim"));
  return [...lines].map(([, reason]) => reason || "no reason given");
}

async function listFolder(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (cause) {
    throw new MigratorError({
      code: "folder-missing",
      message: `the migrations folder ${path} cannot be read (${(cause as NodeJS.ErrnoException).code})`,
      state: "nothing was applied",
      fix: "name the folder that holds meta/_journal.json: --migrations <folder>, or `migrations` in migrator.config.js",
      cause,
    });
  }
}

function v1Layout(path: string, hasJournal: boolean): MigratorError {
  const layout = hasJournal
    ? "holds migrations in the layout of Drizzle v1 (a folder each) beside a journal: what is run would depend on the reader"
    : "has the layout of Drizzle v1 (a folder per migration, no journal), which this version does not read";
  return new MigratorError({
    code: "v1-layout",
    message: `${path} ${layout}`,
    state: "nothing was applied",
    fix: "use this folder with drizzle-kit 1.x, or restore the folder as drizzle-kit 0.31 writes it",
  });
}

function hasV1Layout(path: string, names: ReadonlySet<string>): boolean {
  return [...names].some((name) => /^\d{14}_/.test(name) && existsSync(join(path, name, "migration.sql")));
}
