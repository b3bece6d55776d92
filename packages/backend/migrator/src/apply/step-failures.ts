import { positionOf, type Rows } from "../database/batch.ts";
import type { Database } from "../database/connect.ts";
import { codeOf, isServerError, serverWords } from "../database/failures.ts";
import { literal } from "../database/sql-text.ts";
import { EXIT, MigratorError, messageOf } from "../errors.ts";
import type { Script } from "../folder/read.ts";
import { countLines, lineOf, type NumberedStatement } from "../folder/statements.ts";

/** One thing sent inside a transaction: a statement of a file, or bookkeeping of ours. */
export interface Step {
  readonly sql: string;
  /** Where it stands in which file; undefined for our own statements. */
  readonly source?: Source | undefined;
  /** Of our own: the file whose statements have run before it. */
  readonly after?: Script | undefined;
}

interface Source {
  readonly script: Script;
  /** Undefined for the commit of what the file did, which deferred constraints can stop. */
  readonly statement?: NumberedStatement;
}

/** What a transaction asks for, and fails without. Short: what a server shows of a message it cuts off at a thousand bytes. */
export type Requirement = "lock" | "reset" | "before" | "ledger";

const MISSED: Readonly<Record<Requirement, string>> = {
  lock: "this connection does not hold the migration lock",
  reset: "what earlier statements had set for the session could not be reset",
  before: "the ledger does not hold the migration before it",
  ledger: "the ledger is as it was before: a rule, a trigger or a policy on it may keep it so",
};

/** A step that failed, with what is known of those before it. */
export class StepFailure extends MigratorError {
  readonly step: Step;
  /** Of the steps of its message that have been run. */
  readonly rows: readonly Rows[];

  constructor(
    step: Step,
    rows: readonly Rows[],
    { code, message, details, exitCode, fix, cause }: MigratorError,
  ) {
    super({ code, message, details, exitCode, fix, cause });
    this.step = step;
    this.rows = rows;
  }
}

/** A file that PostgreSQL did not read, without a word on where. */
export function unread(script: Script, cause: unknown): MigratorError {
  return new MigratorError({
    code: "statement-failed",
    message: `${script.fileName} failed`,
    details: wordsOf(cause),
    exitCode: EXIT.found,
    cause,
  });
}

/** An expression that fails: plain SQL has no RAISE, and PL/pgSQL would be compiled anew for every migration. */
export function failSql(missed: Requirement): string {
  // Not a constant, which would fail while the query is planned.
  return `(${literal(wordOf(missed))} || pg_catalog.pg_backend_pid())::int`;
}

function wordOf(missed: Requirement): string {
  return `migrator misses ${missed} `;
}

/** Which of our requirements an error speaks of. */
function missedBy(cause: unknown): Requirement | undefined {
  if (codeOf(cause) !== "22P02") return undefined;
  const message = messageOf(cause);
  return (Object.keys(MISSED) as Requirement[]).find((missed) => message.includes(wordOf(missed)));
}

/** What an error says: our own words where they are ours. */
function wordsOf(cause: unknown): readonly string[] {
  const missed = missedBy(cause);
  return missed === undefined ? serverWords(cause) : [MISSED[missed]];
}

/** Where in a step's SQL something failed: 1-based, in characters. */
export interface Place {
  readonly position: number | undefined;
  /** Whether it may be any of several commands where there is no position. */
  readonly isSomewhere?: boolean;
}

/** What a failed step means. @param place where it was sent together with others: PostgreSQL points into all of it */
export function explain(
  step: Step,
  cause: unknown,
  database: Database,
  place: Place = { position: positionOf(cause) },
): MigratorError {
  if (missedBy(cause) === "lock") return step.after ? lockGivenUp(step.after, cause) : lockLost(cause);
  if (!isServerError(cause)) return connectionLost(step, cause);
  const { host, port } = database.address;
  return new MigratorError({
    code: "statement-failed",
    message: step.source
      ? `${placeOf(step.source, place)} failed`
      : step.after
        ? `${step.after.fileName}: its statements ran, but ledger and run log could not be written behind them`
        : `bookkeeping at ${host}:${port} failed`,
    details: [
      ...wordsOf(cause),
      ...(isCommit(step) || step.after ? [] : ["", ...excerpt(step.sql, place.position)]),
    ],
    exitCode: EXIT.found,
    cause,
  });
}

/** `0007_x.sql, statement 3 of 9, line 24`, `… lines 24 to 31` or `0007_x.sql, at its commit,` */
function placeOf({ script, statement }: Source, { position, isSomewhere = false }: Place): string {
  if (statement === undefined) return `${script.fileName}, at its commit,`;
  const total = script.statements.length;
  const line = lineOf(statement, position);
  const last = statement.line + countLines(statement.sql);
  const lines =
    isSomewhere && position === undefined && last > line ? `lines ${line} to ${last}` : `line ${line}`;
  return `${script.fileName}, statement ${statement.number} of ${total}, ${lines}`;
}

function isCommit({ source }: Step): boolean {
  return source !== undefined && source.statement === undefined;
}

const EXCERPT_LINES = 5;
const LONGEST_LINE = 400;

/** The lines of the statement around the place that PostgreSQL points to. */
function excerpt(sql: string, position: number | undefined): readonly string[] {
  const before =
    Array.from(sql)
      .slice(0, (position ?? 1) - 1)
      .join("")
      .split("\n").length - 1;
  const lines = sql.split("\n");
  const from = Math.max(0, Math.min(before - 2, lines.length - EXCERPT_LINES));
  const shown = lines.slice(from, from + EXCERPT_LINES);
  const mark = position === undefined ? -1 : before - from;
  return shown.map((line, index) => `${index === mark ? ">" : "|"} ${cutOff(line)}`);
}

/** A line with a picture in it, say, would fill the screen. */
function cutOff(line: string): string {
  return line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE)} …` : line;
}

function lockLost(cause: unknown): MigratorError {
  return new MigratorError({
    code: "lock-lost",
    message: "this connection no longer holds the migration lock",
    details: [
      "either it was lost and made anew, or a pooler in transaction mode gives every transaction another session",
    ],
    fix: "connect to PostgreSQL directly or through a pooler in session mode, and run again",
    exitCode: EXIT.found,
    cause,
  });
}

/** Within a transaction nobody else can have taken it: it began with the lock. */
function lockGivenUp({ fileName }: Script, cause: unknown): MigratorError {
  return new MigratorError({
    code: "lock-lost",
    message: `${fileName} gives up the migration lock, without which another runner may run the same`,
    fix: "take pg_advisory_unlock_all(), or what else unlocks all of the session, out of it; then run again",
    exitCode: EXIT.found,
    cause,
  });
}

function connectionLost(step: Step, cause: unknown): MigratorError {
  return new MigratorError({
    code: "connection-lost",
    message: `the connection was lost${step.source ? ` while ${step.source.script.fileName} ran` : ""}`,
    details: serverWords(cause),
    fix: "run `migrator status` to see where the database stands, then run again: what was applied is not run twice",
    exitCode: EXIT.found,
    cause,
  });
}
