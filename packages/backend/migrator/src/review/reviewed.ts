import type { DurationClass } from "./durations.ts";
import type { Hazard } from "./hazards/hazard.ts";
import type { Blocking, LockMode } from "./locks.ts";
import type { Finding } from "./preflight.ts";

/** One file of a plan, with all that can be said of it. */
export interface MigrationReview {
  readonly tag: string;
  readonly fileName: string;
  /** Hex sha256 of the file. */
  readonly hash: string;
  readonly statements: readonly StatementReview[];
  readonly summary: Summary;
}

export interface StatementReview {
  readonly number: number;
  readonly sql: string;
  /** 1-based, in the file; behind the comments above it. */
  readonly line: number;
  /** Which transaction of the file, counted from 1. */
  readonly transaction: number;
  /** Whether it runs outside of any. */
  readonly alone: boolean;
  /** All that are held while it runs, the strongest first. */
  readonly locks: readonly LockReview[];
  readonly hazards: readonly Hazard[];
  readonly preflight: readonly Finding[];
  readonly weight: Weight;
  /** What the server said where the copy did not run it. */
  readonly failure: readonly string[] | undefined;
  /** Why it was not tried on the copy. */
  readonly untried: string | undefined;
}

/** A lock on something that was there before the plan. */
export interface LockReview {
  /** `public.users`, as the target has it. */
  readonly object: string;
  readonly kind: "table" | "index" | "view" | "sequence";
  readonly mode: LockMode;
  readonly blocks: Blocking;
  /** The statement of the file that took it. */
  readonly since: number;
  /** Whether this statement writes it anew, and whether it goes through all of it. */
  readonly rewrites: boolean;
  readonly scans: boolean;
  /** From the statement that takes it to the end of the transaction; `unknown` where that depends on sizes which are not known. */
  readonly held: DurationClass | "unknown";
  readonly heldMs: number | null;
  /** Null where it is not known. */
  readonly rows: number | null;
  readonly bytes: number | null;
  /** Sessions of the target that hold now what it waits for. */
  readonly inTheWay: readonly string[];
}

export interface Weight {
  readonly duration: DurationClass | "unknown";
  /** An estimate; null where it depends on sizes which are not known. */
  readonly ms: number | null;
  /** Of what it goes through or writes anew. */
  readonly rows: number | null;
  readonly bytes: number | null;
}

/** A file in one line. */
export interface Summary {
  /** Tables that were there before the plan and get a lock which keeps somebody out. */
  readonly tables: number;
  readonly worstMode: LockMode | null;
  /** For how long that is held. */
  readonly held: LockReview["held"];
  readonly heldMs: number | null;
  /** Rows that are gone through or written anew. */
  readonly rows: number;
  /** Those that nobody has accepted. */
  readonly hazards: { readonly high: number; readonly medium: number; readonly low: number };
  /** Preflight checks by what they found. */
  readonly fails: number;
  readonly loses: number;
  /** How long the same file took here before, in ms; null where it has not run. */
  readonly tookMs: number | null;
}
