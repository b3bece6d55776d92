/** Exit codes of every verb: `found` = failed or found something, `refused` = refused, or wrong usage or settings. */
export const EXIT = { done: 0, found: 1, refused: 2 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What an error tells a person: what happened, what the database is like now, and what to do. */
export interface ErrorFacts {
  /** Stable, kebab-case; scripts may match on it. */
  readonly code: string;
  /** What happened, and to what, in one sentence. */
  readonly message: string;
  /** Further lines: PostgreSQL's own words, a list of tables, the offending statement. */
  readonly details?: readonly string[] | undefined;
  /** What state the database is in now, e.g. "nothing was applied". */
  readonly state?: string | undefined;
  /** What to do about it, in the user's own names. */
  readonly fix?: string | undefined;
  readonly exitCode?: ExitCode | undefined;
  readonly cause?: unknown;
}

/** The one error class: everything a person can meet is one of these; anything else is a defect of ours. */
export class MigratorError extends Error {
  override readonly name = "MigratorError";
  readonly code: string;
  readonly details: readonly string[];
  readonly state: string | undefined;
  readonly fix: string | undefined;
  readonly exitCode: ExitCode;

  constructor(facts: ErrorFacts) {
    super(facts.message, { cause: facts.cause });
    this.code = facts.code;
    this.details = facts.details ?? [];
    this.state = facts.state;
    this.fix = facts.fix;
    this.exitCode = facts.exitCode ?? EXIT.refused;
  }

  /** The same error with the state of the database filled in, where the thrower could not know it. */
  withState(state: string): MigratorError {
    return this.state === undefined ? new MigratorError({ ...this.facts(), state }) : this;
  }

  private facts(): ErrorFacts {
    const { code, message, details, state, fix, exitCode, cause } = this;
    return { code, message, details, state, fix, exitCode, cause };
  }
}

/** What happened and why, in one line, for a log. */
export function summaryOf(error: unknown): string {
  const [first] = error instanceof MigratorError ? error.details : [];
  return first === undefined ? messageOf(error) : `${messageOf(error)}: ${first}`;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
