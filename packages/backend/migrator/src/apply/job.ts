import type { LedgerCondition } from "../database/ledger.ts";
import type { Call } from "../database/prepared.ts";
import type { Direction, RunRecord } from "../database/run-log.ts";
import type { PartialRun } from "../database/run-log-rows.ts";
import type { Expected } from "../events.ts";
import type { Migration, Script } from "../folder/read.ts";
import type { Segment } from "../folder/segments.ts";
import type { Pause } from "./execute.ts";
import type { Step } from "./step-failures.ts";

/** One migration to run in one direction. */
export interface Job {
  readonly migration: Migration;
  readonly direction: Direction;
  readonly script: Script;
  /** The script's, parsed before anything runs. */
  readonly segments: readonly Segment[];
  /** The up file's hash, as in the ledger. */
  readonly hash: string;
  /** What makes the ledger say so: inserts or deletes the row. */
  readonly inLedger: Call;
  /** True once it does. */
  readonly done: LedgerCondition;
  /** Steps before those of each transaction of the file, which may stop it. */
  readonly guards: readonly Step[];
  /** An earlier run of the same file, cut between two segments, which this one takes up. */
  readonly partial: PartialRun | undefined;
  /**
   * Saves what a segment is about to drop: in the same transaction, after its first steps. Undefined where nothing is lost.
   * A job that has this is never sent ahead, nor is anything behind it until it is done.
   */
  readonly save?: ((segment: number, after: number) => Pause | undefined) | undefined;
  /** What the run log shall say of it beside its outcome. */
  readonly note?: string | undefined;
  /** What a plan says that it will do. */
  readonly expected?: Expected | undefined;
}

/** What the run log keeps of a job. */
export function recordOf({ migration, hash, script, direction, note }: Job, retries: number): RunRecord {
  const { tag } = migration;
  return {
    tag,
    hash,
    scriptHash: script.hash,
    direction,
    statements: script.statements.length,
    retries,
    note,
  };
}
