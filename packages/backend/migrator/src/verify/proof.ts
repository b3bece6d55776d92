import { interruptible } from "../apply/interruptible.ts";
import { assertReplayable } from "../apply/replayable.ts";
import type { Difference } from "../catalog/compare.ts";
import type { Settings } from "../config.ts";
import { type Scratch, withScratch } from "../database/scratch.ts";
import { rolesIn } from "../folder/cluster-wide.ts";
import {
  type DownScript,
  downFileName,
  indexOfTag,
  type Migration,
  readFolder,
  type Script,
} from "../folder/read.ts";
import { type Range, sideBySide } from "./side-by-side.ts";
import { applied, momentOf, tryDown } from "./trial.ts";
import { type Workbench, withWorkbench } from "./workbench.ts";

/** `failed` is also a down file that a person has not finished. */
export type ProofState = "proved" | "irreversible" | "missing" | "failed";

/** Whether the down of one migration undoes its up. */
export interface Proof {
  readonly tag: string;
  readonly state: ProofState;
  /** Of up, down, and reading the schema twice. */
  readonly durationMs: number;
  /** Between the schema before the up and that after the down. */
  readonly differences: readonly Difference[];
  /** Why it is irreversible or failed, where no difference says so. */
  readonly reason: string | null;
}

export interface ProveOptions {
  /** First and last migration to prove; those before are only applied. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

export interface ProveResult {
  readonly migrations: readonly Proof[];
  readonly durationMs: number;
}

/**
 * Applies, undoes and applies again each migration of a folder on scratch databases: the schema after the down must be
 * what it was before the up.
 * @param target URL of the server to make them on; without it, where the settings say
 * @throws MigratorError `cannot-check`, `no-scratch`, `unknown-tag`
 */
export async function prove(
  settings: Settings,
  target: string | undefined,
  options: ProveOptions,
  signal: AbortSignal,
): Promise<ProveResult> {
  const started = Date.now();
  const folder = await readFolder(settings.migrations);
  assertReplayable(folder);
  const { migrations } = folder;
  const from = options.from === undefined ? 0 : indexOfTag(folder, options.from, "--from");
  const to = options.to === undefined ? migrations.length - 1 : indexOfTag(folder, options.to, "--to");
  const work = async (scratch: Scratch) => {
    await scratch.ensureRoles(await rolesIn(scriptsOf(migrations.slice(0, to + 1))));
    return sideBySide({ from, to: to + 1 }, signal, (range, stop) => {
      const make: Course["make"] = (work) => withWorkbench(settings, scratch, stop, work);
      return proveRange({ migrations, make }, range);
    });
  };
  const proofs = await interruptible("the proof", signal, () => withScratch(settings.scratch, target, work));
  return { migrations: proofs, durationMs: Date.now() - started };
}

/** Their up and down files. */
export function scriptsOf(migrations: readonly Migration[]): readonly Script[] {
  return migrations.flatMap(({ up, down }) => [up, down]).filter((script) => script !== undefined);
}

/** What the proofs of one range need. */
interface Course {
  readonly migrations: readonly Migration[];
  /** A workbench on a new scratch database. */
  make<T>(work: (bench: Workbench) => Promise<T>): Promise<T>;
}

/** Where a proof has left the database in doubt, the next one begins on another. */
async function proveRange(course: Course, { from, to }: Range): Promise<readonly Proof[]> {
  const proofs: Proof[] = [];
  const remakes = new Set(
    course.migrations.filter(({ up }) => up?.statements.some(({ sql }) => REMAKES.test(sql))),
  );
  while (from + proofs.length < to) {
    await course.make(async (bench) => {
      await applied(bench, course.migrations.slice(0, from + proofs.length));
      for (let clean = true; clean && from + proofs.length < to; ) {
        const migration = course.migrations[from + proofs.length];
        if (migration === undefined) return;
        const { proof, leftClean } = await proveOne(bench, migration, remakes.has(migration));
        clean = leftClean;
        if (proof === undefined) remakes.add(migration);
        else proofs.push(proof);
      }
    });
  }
  return proofs;
}

/** Words that stand where something is taken away, to be made anew by the down, or changes names. */
const REMAKES = /\b(drop|type|rename)\b/i;

/**
 * Leaves the migration applied, unless it says that it did not leave the database clean.
 * @param remakes whether its down is expected to make something anew: then the schema is read beforehand
 * @returns no proof where the schema should have been read and was not
 */
async function proveOne(
  bench: Workbench,
  migration: Migration,
  remakes: boolean,
): Promise<{ readonly proof: Proof | undefined; readonly leftClean: boolean }> {
  const started = Date.now();
  const { tag, down } = migration;
  const proofOf = (
    state: ProofState,
    reason: string | null,
    differences: readonly Difference[] = [],
  ): Proof => ({
    tag,
    state,
    durationMs: Date.now() - started,
    differences,
    reason,
  });
  const known = down === undefined ? undefined : unprovable(down);
  if (down === undefined || known) {
    await applied(bench, [migration]);
    const proof = known
      ? proofOf(known.state, known.reason)
      : proofOf("missing", `there is no ${downFileName(tag)}`);
    return { proof, leftClean: true };
  }
  const before = {
    print: await bench.fingerprint(),
    moment: remakes ? await momentOf(bench) : undefined,
  };
  await applied(bench, [migration]);
  const trial = await tryDown(bench, migration, down, before);
  if (trial.undone === undefined) return { proof: undefined, leftClean: false };
  return {
    proof: proofOf(trial.undone ? "proved" : "failed", trial.reason, trial.differences),
    leftClean: trial.undone,
  };
}

function unprovable(down: DownScript): { readonly state: ProofState; readonly reason: string } | undefined {
  if (down.irreversible !== undefined) return { state: "irreversible", reason: down.irreversible };
  for (const mark of ["unfinished", "unproved"] as const) {
    const text = down[mark];
    if (text !== undefined)
      return {
        state: "failed",
        reason: `${down.fileName} is marked ${mark}: ${text}; finish it and remove that line`,
      };
  }
  return undefined;
}
