import { spawn } from "node:child_process";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import type { FolderSettings } from "../config.ts";
import { MigratorError } from "../errors.ts";
import { draftDown } from "./downs.ts";
import { downFileName, type Journal, journalPath, parseJournal, snapshotPath } from "./read.ts";

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
  const run = await runDrizzleKit(settings, name, options.custom ?? false, false);
  if (await isUnchanged(settings.migrations, before)) {
    if (run.output.includes("No schema changes")) return { tag: undefined, files: [], downUnfinished: false };
    if (!asksAboutRename(run) || !process.stdin.isTTY) throw notGenerated(run);
    const asked = await runDrizzleKit(settings, name, options.custom ?? false, true);
    if (await isUnchanged(settings.migrations, before)) throw notGenerated(asked);
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

interface FolderState {
  readonly files: ReadonlySet<string>;
  readonly journalText: string | undefined;
  readonly journal: Journal | undefined;
}

async function readState(folder: string): Promise<FolderState> {
  const files = new Set(await readdir(folder, { recursive: true }).catch(() => []));
  const file = journalPath(folder);
  const journalText = await readFile(file, "utf8").catch(() => undefined);
  return {
    files,
    journalText,
    journal: journalText === undefined ? undefined : parseJournal(file, journalText),
  };
}

async function isUnchanged(folder: string, before: FolderState): Promise<boolean> {
  const now = await readState(folder);
  return (
    now.journalText === before.journalText &&
    [...now.files].every((file) => before.files.has(file) || file === "meta")
  );
}

interface KitRun {
  readonly output: string;
  readonly exitCode: number | null;
}

function asksAboutRename(run: KitRun): boolean {
  return run.output.includes("Interactive prompts require a TTY");
}

/** First without a terminal, so that its words can be read; with one only where it has a question to ask. */
async function runDrizzleKit(
  settings: FolderSettings,
  name: string,
  custom: boolean,
  ask: boolean,
): Promise<KitRun> {
  const project = projectFolder(settings);
  const args = [
    "generate",
    ...targetArgs(settings, project),
    `--name=${name}`,
    ...(custom ? ["--custom"] : []),
  ];
  const stdio = ask ? (["inherit", "inherit", "inherit"] as const) : (["ignore", "pipe", "pipe"] as const);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [drizzleKitBin(project), ...args], {
      cwd: project,
      stdio: [...stdio],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        output += chunk.toString("utf8");
      });
    }
    child.once("error", reject);
    child.once("close", (exitCode) => resolve({ output, exitCode }));
  });
}

/** Paths are given relative to the folder that drizzle-kit runs in: it takes no absolute `--out`. */
function targetArgs(settings: FolderSettings, project: string): readonly string[] {
  const { drizzleConfigFile, schemaFile, migrations } = settings;
  if (drizzleConfigFile !== undefined) return [`--config=${relative(project, drizzleConfigFile)}`];
  if (schemaFile !== undefined) {
    const schema = `--schema=${relative(project, schemaFile)}`;
    return ["--dialect=postgresql", schema, `--out=${relative(project, migrations)}`];
  }
  throw new MigratorError({
    code: "setting-missing",
    message: "generate needs to know the Drizzle schema, or drizzle-kit's config file",
    state: "no file was changed",
    fix: 'pass --schema <file> or --drizzle-config <file>, or set "schema" or "drizzleConfig" in migrator.config.js',
  });
}

/** drizzle-kit takes the paths in its config relative to the folder that it runs in. */
function projectFolder(settings: FolderSettings): string {
  return dirname(settings.drizzleConfigFile ?? settings.schemaFile ?? settings.migrations);
}

function drizzleKitBin(project: string): string {
  try {
    return join(dirname(createRequire(join(project, "package.json")).resolve("drizzle-kit")), "bin.cjs");
  } catch (cause) {
    throw new MigratorError({
      code: "drizzle-kit-missing",
      message: `drizzle-kit is not installed for ${project}`,
      state: "no file was changed",
      fix: "install it there as a development dependency: drizzle-kit 0.31",
      cause,
    });
  }
}

function notGenerated(run: KitRun): MigratorError {
  const rename = asksAboutRename(run);
  const lines = run.output.split("\n").filter((line) => line.trim() !== "" && !/^\s+at /.test(line));
  return new MigratorError({
    code: rename ? "rename-question" : "generate-failed",
    message: rename
      ? "drizzle-kit wants to ask whether something was renamed, or dropped and made anew; without a terminal it cannot"
      : `drizzle-kit wrote no migration (its exit code was ${run.exitCode})`,
    details: rename ? [] : lines.slice(-8),
    state: "no file was changed",
    fix: rename
      ? "run the same command in a terminal and answer, or make the change in two migrations: add the new one, then drop the old"
      : "mend what drizzle-kit says above (a schema file that does not load is the usual reason)",
  });
}

/** The tag of the one new entry. Where drizzle-kit left something half written, that is taken back. */
async function newTag(folder: string, before: FolderState): Promise<string> {
  const now = await readState(folder);
  const known = new Set(before.journal?.entries.map((entry) => entry.tag));
  const added = now.journal?.entries.filter((entry) => !known.has(entry.tag)) ?? [];
  const [entry] = added;
  if (added.length === 1 && entry && isComplete(entry.tag, now)) return entry.tag;
  const files = [...now.files].filter((file) => !before.files.has(file) && /\.(sql|json)$/.test(file));
  await Promise.all(files.map((file) => rm(join(folder, file), { force: true })));
  if (before.journalText !== undefined) await writeFile(journalPath(folder), before.journalText);
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
