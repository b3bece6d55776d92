import { execFile } from "node:child_process";
import { relative, resolve, sep } from "node:path";
import { promisify } from "node:util";
import { interruptible } from "../apply/interruptible.ts";
import { assertReplayable, notReplayed } from "../apply/replayable.ts";
import type { Settings } from "../config.ts";
import { withScratch } from "../database/scratch.ts";
import { EXIT, MigratorError, messageOf } from "../errors.ts";
import { type Migration, readFolder } from "../folder/read.ts";
import { assess } from "./assess.ts";
import { observe } from "./observe.ts";
import type { MigrationReview } from "./reviewed.ts";

export interface LintOptions {
  /** Git ref: migrations that it does not have are looked at. Without it, all of them. */
  readonly base?: string | undefined;
}

export interface LintResult {
  /** Absolute path of the migrations. */
  readonly folder: string;
  /** The ref, or "an empty database". */
  readonly base: string;
  readonly migrations: readonly MigrationReview[];
}

/**
 * What is new in a folder, on a copy that the rest of it makes: measured locks and hazards, without any database but a
 * scratch one. What the copy had before counts as large and in use.
 * @param server where the copy may be made; undefined takes the settings' place
 * @throws MigratorError `unknown-base`, `cannot-check`, `no-scratch`
 */
export async function lint(
  settings: Settings,
  { base }: LintOptions,
  server: string | undefined,
  signal: AbortSignal,
): Promise<LintResult> {
  const folder = await readFolder(settings.migrations);
  assertReplayable(folder);
  const known = base === undefined ? new Map() : await filesAt(base, settings.migrations);
  const isKnown = ({ fileName }: Migration) => known.has(fileName);
  const applied = folder.migrations.filter(isKnown);
  const fresh = folder.migrations.filter((migration) => !isKnown(migration));
  const planned = fresh.flatMap((migration) => (migration.up ? [{ migration, script: migration.up }] : []));
  const result = { folder: folder.path, base: base ?? "an empty database" };
  if (planned.length === 0) return { ...result, migrations: [] };
  const work = () =>
    withScratch(settings.scratch, server, (scratch) =>
      observe(settings, scratch, { applied, planned }, signal, (observation) =>
        assess(observation, { major: scratch.major, session: undefined, runs: [] }),
      ),
    ).catch((cause: unknown) => {
      throw notReplayed(cause);
    });
  return { ...result, migrations: await interruptible("the lint", signal, work) };
}

const run = promisify(execFile);

/** Names of the files in a folder as a commit has it. */
async function filesAt(ref: string, folder: string): Promise<ReadonlyMap<string, true>> {
  const git = async (...args: readonly string[]) =>
    (await run("git", ["-C", folder, ...args], { maxBuffer: 64 * 1024 * 1024 })).stdout;
  try {
    const root = (await git("rev-parse", "--show-toplevel")).trim();
    // What a branch was begun from, so that migrations merged to the base since do not count as removed.
    const commit = (await git("merge-base", ref, "HEAD")).trim();
    const path = relative(root, resolve(folder)).split(sep).join("/");
    const listing = await git(
      "ls-tree",
      "-z",
      "--name-only",
      "--full-tree",
      commit,
      path === "" ? "." : `${path}/`,
    );
    const names = listing.split("\0").map((name) => name.slice(name.lastIndexOf("/") + 1));
    return new Map(names.filter((name) => name !== "").map((name) => [name, true]));
  } catch (cause) {
    throw new MigratorError({
      code: "unknown-base",
      message: `git does not say which files ${ref} has: ${messageOf(cause).trim().split("\n").at(-1)}`,
      state: "nothing was done",
      fix: "name a commit, a branch or a tag that this clone has; in CI fetch it first: git fetch origin main",
      exitCode: EXIT.refused,
      cause,
    });
  }
}
