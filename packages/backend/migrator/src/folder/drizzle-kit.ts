import { spawn } from "node:child_process";
import { readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import type { FolderSettings } from "../config.ts";
import { MigratorError } from "../errors.ts";
import { type Journal, journalPath, parseJournal } from "./journal.ts";

/** Names of the files in a folder, and its journal. */
export interface FolderState {
  readonly files: ReadonlySet<string>;
  readonly journalText: string | undefined;
  readonly journal: Journal | undefined;
}

/** What to compare with after drizzle-kit has run. */
export async function readState(folder: string): Promise<FolderState> {
  const files = new Set(await readdir(folder, { recursive: true }).catch(() => []));
  const file = journalPath(folder);
  const journalText = await readFile(file, "utf8").catch(() => undefined);
  return {
    files,
    journalText,
    journal: journalText === undefined ? undefined : parseJournal(file, journalText),
  };
}

/** Whether drizzle-kit has written no migration. An empty journal, which it begins with, is none. */
export async function isUnchanged(folder: string, before: FolderState): Promise<boolean> {
  const now = await readState(folder);
  const entries = now.journal?.entries.length ?? 0;
  const isNew = (file: string) =>
    !before.files.has(file) && (file.endsWith(".sql") || file.endsWith("_snapshot.json"));
  return entries === (before.journal?.entries.length ?? 0) && ![...now.files].some(isNew);
}

/** Takes back what drizzle-kit wrote. Gives the names of the files that it removed. */
export async function takeBack(folder: string, before: FolderState): Promise<readonly string[]> {
  const now = await readState(folder);
  const files = [...now.files].filter((file) => !before.files.has(file));
  await Promise.all(files.map((file) => rm(join(folder, file), { recursive: true, force: true })));
  if (before.journalText !== undefined) await writeFile(journalPath(folder), before.journalText);
  if (before.files.size === 0) await rmdir(folder).catch(() => undefined);
  return files;
}

/** What drizzle-kit said. Its exit code is 0 also where it failed. */
export interface KitRun {
  readonly output: string;
  readonly exitCode: number | null;
}

/** Whether it stopped because it wanted to ask something. */
export function asksAboutRename(run: KitRun): boolean {
  return run.output.includes("Interactive prompts require a TTY");
}

/** Whether it found that schema and snapshots agree. */
export function foundNoChange(run: KitRun): boolean {
  return run.output.includes("No schema changes");
}

/** Runs the project's own drizzle-kit. @param ask gives it the terminal, to ask about renames; its words are then not kept */
export async function runDrizzleKit(project: string, args: readonly string[], ask = false): Promise<KitRun> {
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
export function targetArgs(settings: FolderSettings, project: string): readonly string[] {
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
export function projectFolder(settings: FolderSettings): string {
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

/** The error for a run that wrote no migration although it should have. */
export function notGenerated(run: KitRun): MigratorError {
  const rename = asksAboutRename(run);
  const lines = run.output
    .split("\n")
    .filter((line) => line.trim() !== "" && !/^\s+at |node:internal/.test(line));
  // From the first line that speaks of an error: what comes before says which config was read.
  const from = Math.max(
    0,
    lines.findIndex((line) => /error/i.test(line)),
  );
  return new MigratorError({
    code: rename ? "rename-question" : "generate-failed",
    message: rename
      ? "drizzle-kit wants to ask whether something was renamed, or dropped and made anew; without a terminal it cannot"
      : `drizzle-kit wrote no migration (its exit code was ${run.exitCode})`,
    details: rename ? [] : lines.slice(from, from + 8),
    state: "no file was changed",
    fix: rename
      ? "run the same command in a terminal and answer, or make the change in two migrations: add the new one, then drop the old"
      : "mend what drizzle-kit says above (a schema file that does not load is the usual reason)",
  });
}
