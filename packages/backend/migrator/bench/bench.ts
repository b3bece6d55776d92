import type { Databases } from "./databases.ts";
import type { Flags } from "./flags.ts";
import type { Rivals } from "./rivals.ts";

/** What every case of the bench works with. */
export interface Bench {
  readonly flags: Flags;
  readonly databases: Databases;
  readonly rivals: Rivals;
  /** A URL of the server. */
  readonly url: string;
  /** An empty folder of this case, removed afterwards. */
  readonly folder: string;
}

/** What a case found out. */
export interface CaseResult {
  readonly title: string;
  /** Sentences on what was done. */
  readonly description: readonly string[];
  readonly table: Table;
  readonly goals: readonly Goal[];
}

export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A measured ratio and what it must be. */
export interface Goal {
  /** `at most 1.25 x a bare process` */
  readonly text: string;
  readonly measured: string;
  readonly kept: boolean;
}

/** A goal on a ratio, rounded as it is shown: what reads as kept is kept. */
export function ratioGoal(
  text: string,
  ratio: number,
  bound: { readonly atMost?: number; readonly atLeast?: number },
): Goal {
  const shown = Number(ratio.toFixed(2));
  const kept = shown <= (bound.atMost ?? Number.POSITIVE_INFINITY) && shown >= (bound.atLeast ?? 0);
  return { text, measured: `${ratio.toFixed(2)} x`, kept };
}
