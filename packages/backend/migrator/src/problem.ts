/** Every problem there is; scripts and `severities` in migrator.config.js name them by these. */
export const PROBLEM_CODES = [
  "edited",
  "missing-file",
  "out-of-order",
  "unknown-applied",
  "duplicate-ledger-row",
  "not-in-journal",
  "duplicate-number",
  "when-not-increasing",
  "when-in-future",
  "when-mismatch",
  "snapshot-missing",
  "snapshot-chain-broken",
  "schema-ahead",
  "down-unfinished",
  "partly-applied",
  "partly-rolled-back",
] as const;

export type ProblemCode = (typeof PROBLEM_CODES)[number];

export type Severity = "error" | "warning";

/** What a project makes of a problem; `off` hides it. */
export type SeverityChoices = Readonly<Partial<Record<ProblemCode, Severity | "off">>>;

/** Something about folder and ledger that does not fit. Errors stop a run before anything is written. */
export interface Problem {
  readonly code: ProblemCode;
  readonly severity: Severity;
  /** Migration it is about; null where no journal entry is concerned. */
  readonly tag: string | null;
  readonly message: string;
  readonly fix: string;
}

/** The problems that stop a run. */
export function errorsOf(problems: readonly Problem[]): readonly Problem[] {
  return problems.filter((problem) => problem.severity === "error");
}
