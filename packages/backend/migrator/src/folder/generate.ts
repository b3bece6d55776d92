import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { FolderSettings } from "../config.ts";
import { MigratorError } from "../errors.ts";
import { draftDown } from "./downs.ts";
import {
  asksAboutRename,
  type FolderState,
  foundNoChange,
  isUnchanged,
  notGenerated,
  projectFolder,
  readState,
  runDrizzleKit,
  takeBack,
  targetArgs,
} from "./drizzle-kit.ts";
import { journalPath, parseJournal } from "./journal.ts";
import { downFileName, snapshotPath } from "./read.ts";

export interface GenerateOptions {
  /** Descriptive, in snake_case. */
  readonly name: string | undefined;
  /** Makes an empty migration to be written by hand. */
  readonly custom?: boolean | undefined;
}

export interface GenerateResult {
  /** Undefined when schema and snapshots agree: there was nothing to generate. */
  readonly tag: string | undefined;
  /** Absolute paths of the new files. */
  readonly files: readonly string[];
  /** Whether the down file waits for a hand. */
  readonly downUnfinished: boolean;
}

/** Least distance between two `when`s, in ms: Drizzle v1 keeps seconds only. */
const WHEN_STEP_MS = 1000;

/** Has drizzle-kit write the next migration, and drafts its down file. Files are trusted, not drizzle-kit's exit code. */
export async function generate(settings: FolderSettings, options: GenerateOptions): Promise<GenerateResult> {
  const name = parseName(options.name);
  const before = await readState(settings.migrations);
  const project = projectFolder(settings);
  const custom = options.custom === true ? ["--custom"] : [];
  const args = ["generate", ...targetArgs(settings, project), `--name=${name}`, ...custom];
  // First without a terminal, so that its words can be read; with one only where it has a question to ask.
  const run = await runDrizzleKit(project, args);
  if (await isUnchanged(settings.migrations, before)) {
    await takeBack(settings.migrations, before);
    if (foundNoChange(run)) return { tag: undefined, files: [], downUnfinished: false };
    if (!asksAboutRename(run) || !process.stdin.isTTY) throw notGenerated(run);
    const asked = await runDrizzleKit(project, args, true);
    if (await isUnchanged(settings.migrations, before)) {
      await takeBack(settings.migrations, before);
      throw notGenerated(asked);
    }
  }
  const tag = await newTag(settings.migrations, before);
  await spaceWhens(settings.migrations);
  return finish(settings, tag, before);
}

/** @throws MigratorError `name-needed`, `name-invalid` */
function parseName(name: string | undefined): string {
  if (name !== undefined && /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name)) return name;
  throw new MigratorError({
    code: name === undefined ? "name-needed" : "name-invalid",
    message:
      name === undefined
        ? "a migration needs a name that says what it does"
        : `${JSON.stringify(name)} is not a snake_case name (lower-case words, digits and single underscores)`,
    state: "no file was changed",
    fix: "for example: --name add_wishlist_rating",
  });
}

/** The tag of the one new entry. Where drizzle-kit left something half written, that is taken back. */
async function newTag(folder: string, before: FolderState): Promise<string> {
  const now = await readState(folder);
  const known = new Set(before.journal?.entries.map((entry) => entry.tag));
  const added = now.journal?.entries.filter((entry) => !known.has(entry.tag)) ?? [];
  const [entry] = added;
  if (added.length === 1 && entry && isComplete(entry.tag, now)) return entry.tag;
  const files = await takeBack(folder, before);
  throw new MigratorError({
    code: "generate-failed",
    message: "drizzle-kit wrote only a part of the migration",
    details: files.map((file) => `removed again: ${file}`),
    state: "the folder is as it was before",
    fix: "look for a full disk or missing permissions, then run again",
  });
}

function isComplete(tag: string, now: FolderState): boolean {
  return now.files.has(`${tag}.sql`) && now.files.has(join("meta", `${tag.split("_")[0]}_snapshot.json`));
}

/** Keeps `when` at least a second after the one before, as Drizzle v1 will need it. */
async function spaceWhens(folder: string): Promise<void> {
  const file = journalPath(folder);
  const journal = parseJournal(file, await readFile(file, "utf8"));
  const [previous, last] = journal.entries.slice(-2);
  if (previous === undefined || last === undefined || last.when >= previous.when + WHEN_STEP_MS) return;
  const entries = [...journal.entries.slice(0, -1), { ...last, when: previous.when + WHEN_STEP_MS }];
  await writeFile(file, JSON.stringify({ ...journal, entries }, null, 2));
}

async function finish(settings: FolderSettings, tag: string, before: FolderState): Promise<GenerateResult> {
  const folder = settings.migrations;
  const draft = await draftDown(folder, projectFolder(settings), tag, before.journal?.entries.at(-1)?.tag);
  const down = join(folder, downFileName(tag));
  await writeFile(down, draft);
  return {
    tag,
    files: [join(folder, `${tag}.sql`), down, snapshotPath(folder, tag)],
    downUnfinished: /^-- unfinished:/m.test(draft),
  };
}
