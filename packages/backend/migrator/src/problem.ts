export type ProblemCode =
  | "edited"
  | "missing-file"
  | "out-of-order"
  | "unknown-applied"
  | "duplicate-ledger-row"
  | "not-in-journal"
  | "duplicate-number"
  | "when-not-increasing"
  | "when-in-future"
  | "snapshot-missing";

/** Something about folder and ledger that does not fit. Errors stop a run before anything is written. */
export interface Problem {
  readonly code: ProblemCode;
  readonly severity: "error" | "warning";
  /** Migration it is about; null where no journal entry is concerned. */
  readonly tag: string | null;
  readonly message: string;
  readonly fix: string;
}

/** The problems that stop a run. */
export function errorsOf(problems: readonly Problem[]): readonly Problem[] {
  return problems.filter((problem) => problem.severity === "error");
}
