import type { LedgerName, Settings } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { codeOf, isServerError, serverWords } from "../database/failures.ts";
import { holdsLockSql, lockKey } from "../database/lock.ts";
import { type Call, combine, inlineSql, type Preparer } from "../database/prepared.ts";
import { literal } from "../database/sql-text.ts";
import { EXIT, MigratorError, messageOf } from "../errors.ts";
import type { Script } from "../folder/read.ts";
import { lineOf, type NumberedStatement } from "../folder/statements.ts";
import type { RunContext } from "./context.ts";

/** One thing sent inside a transaction: a statement of a file, or bookkeeping of ours. */
export interface Step {
  readonly sql: string;
  /** Where it stands in which file; undefined for our own statements. */
  readonly source?: Source | undefined;
}

interface Source {
  readonly script: Script;
  /** Undefined for the commit of what the file did, which deferred constraints can stop. */
  readonly statement?: NumberedStatement;
}

export type Rows = readonly Readonly<Record<string, unknown>>[];

/** Statements of a file as steps. */
export function stepsOf(script: Script, statements: readonly NumberedStatement[]): readonly Step[] {
  return statements.map((statement) => ({ sql: statement.sql, source: { script, statement } }));
}

export interface TransactionOptions {
  readonly end?: "commit" | "rollback";
  /** Condition without which the transaction fails at its start. */
  readonly onlyIf?: Call | undefined;
  /** How the proof at its start is asked for. */
  readonly ask?: Preparer["sqlOf"];
  /** False where a later commit of the run is waited for: with it on the disk all before it are. */
  readonly awaitDisk?: boolean;
  /** Called when the server has begun it, before any of its NOTICEs. */
  readonly onBegin?: () => void;
  /** Work in the middle, for which the transaction is not sent as a whole. */
  readonly pause?: Pause | undefined;
}

/** Something of ours that a transaction waits for, between two of its steps. */
export interface Pause {
  /** How many steps come before it. */
  readonly after: number;
  /** Where it fails, the transaction is rolled back. */
  work(): Promise<void>;
  /** Called when the transaction has failed, before or after the work, and is rolled back unless the connection is lost. */
  onFailed(error: unknown): Promise<void>;
  /** Called when it is committed. */
  onDone(): void;
}

/**
 * Runs steps in one transaction that first proves that this backend holds the lock. All of it is sent at once, so that a
 * migration costs one round trip; after a failure PostgreSQL itself refuses the rest and answers the commit with ROLLBACK.
 * @returns the rows of each step
 * @throws MigratorError `statement-failed`, `permission-denied`, `lock-lost`, `connection-lost`; then nothing is committed
 * (after `connection-lost` that is not known)
 */
export async function runTransaction(
  { database, settings }: Pick<RunContext, "database" | "settings">,
  steps: readonly Step[],
  { end = "commit", onBegin = () => {}, pause, ...how }: TransactionOptions = {},
): Promise<readonly Rows[]> {
  const reset: Step = { sql: freshSession(database) };
  const begin: Step = { sql: beginSql(settings, how) };
  const script = steps.find(({ source }) => source)?.source?.script;
  const last: Step = { sql: end, source: script && { script } };
  const run = (step: Step): Promise<Rows> => {
    if (step === begin) return database.sql.signal(step.sql, onBegin).then(() => []);
    return database.sql.unsafe<Rows[number][]>(step.sql);
  };
  const runAll = (some: readonly Step[]) => settle(database, some, some.map(run));
  if (pause === undefined) return (await runAll([reset, begin, ...steps, last])).slice(2, -1);
  try {
    const before = await runAll([reset, begin, ...steps.slice(0, pause.after)]);
    await pause.work();
    const after = await runAll([...steps.slice(pause.after), last]);
    pause.onDone();
    return [...before.slice(2), ...after.slice(0, -1)];
  } catch (error) {
    await database.sql.unsafe("rollback").catch(() => undefined);
    await pause.onFailed(error);
    throw error;
  }
}

/** Waits for all; the first that failed is the culprit. */
async function settle(
  database: Database,
  steps: readonly Step[],
  sent: readonly Promise<Rows>[],
): Promise<readonly Rows[]> {
  const results = await Promise.allSettled(sent);
  const failed = results.findIndex((result) => result.status === "rejected");
  const step = steps[failed];
  if (step) throw explain(step, (results[failed] as PromiseRejectedResult).reason, database);
  return results.map((result) => (result as PromiseFulfilledResult<Rows>).value);
}

/**
 * What an earlier file left in the session (a dump's empty search_path, another role, read-only transactions) must not
 * change what this one means. Before the transaction, which would take it back when it fails.
 */
export function freshSession({ sessionSettings }: Database): string {
  return ["reset session authorization", "reset role", "reset all", ...sessionSettings].join("; ");
}

function beginSql(
  { limits, ledger }: Settings,
  { onlyIf, awaitDisk = true, ask = inlineSql }: TransactionOptions,
): string {
  return [
    "begin",
    ...(awaitDisk ? [] : ["set local synchronous_commit = off"]),
    `set local lock_timeout = ${limits.lockTimeoutMs}`,
    `set local statement_timeout = ${limits.statementTimeoutMs}`,
    ask(proofOf(ledger, onlyIf)),
  ].join("; ");
}

/** Fails where this backend does not hold the lock, or where a condition is not met. */
function proofOf(ledger: LedgerName, onlyIf: Call | undefined): Call {
  return combine(
    "proof",
    onlyIf ? [onlyIf] : [],
    (
      condition = "true",
    ) => `select case when not (${holdsLockSql(lockKey(ledger))}) then ${failSql(LOCK_LOST)}
      when not (${condition}) then ${failSql("what comes before it has failed")} else 1 end`,
  );
}

const LOCK_LOST = "this connection does not hold the migration lock";

/** An expression that fails: plain SQL has no RAISE, and PL/pgSQL would be compiled anew for every migration. */
function failSql(message: string): string {
  // Not a constant, which would fail while the query is planned.
  return `(${literal(`${message}, backend `)} || pg_catalog.pg_backend_pid())::int`;
}

function isLockLost(cause: unknown): boolean {
  return codeOf(cause) === "22P02" && messageOf(cause).includes(LOCK_LOST);
}

/** What a failed step means. */
export function explain(step: Step, cause: unknown, database: Database): MigratorError {
  if (isLockLost(cause)) return lockLost(cause);
  if (!isServerError(cause)) return connectionLost(step, cause);
  const { host, port } = database.address;
  return new MigratorError({
    code: "statement-failed",
    message: step.source ? `${placeOf(step.source, cause)} failed` : `bookkeeping at ${host}:${port} failed`,
    details: [...serverWords(cause), ...(isCommit(step) ? [] : ["", ...excerpt(step.sql, cause)])],
    exitCode: EXIT.found,
    cause,
  });
}

/** `0007_x.sql, statement 3 of 9, line 24` or `0007_x.sql, at its commit,` */
function placeOf({ script, statement }: Source, cause: unknown): string {
  if (statement === undefined) return `${script.fileName}, at its commit,`;
  const position = isServerError(cause) ? Number(cause.position) || undefined : undefined;
  const total = script.statements.length;
  return `${script.fileName}, statement ${statement.number} of ${total}, line ${lineOf(statement, position)}`;
}

function isCommit({ source }: Step): boolean {
  return source !== undefined && source.statement === undefined;
}

const EXCERPT_LINES = 5;

/** The lines of the statement around the place that PostgreSQL points to. */
function excerpt(sql: string, cause: unknown): readonly string[] {
  const position = isServerError(cause) ? Number(cause.position) || 1 : 1;
  const before =
    Array.from(sql)
      .slice(0, position - 1)
      .join("")
      .split("\n").length - 1;
  const lines = sql.split("\n");
  const from = Math.max(0, Math.min(before - 2, lines.length - EXCERPT_LINES));
  const shown = lines.slice(from, from + EXCERPT_LINES);
  const mark = isServerError(cause) && cause.position ? before - from : -1;
  return shown.map((line, index) => `${index === mark ? ">" : "|"} ${line}`);
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
