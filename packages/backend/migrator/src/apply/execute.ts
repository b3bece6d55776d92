import type { LedgerName, Settings } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { codeOf, isServerError, serverWords } from "../database/failures.ts";
import { GUARD, UNGUARD } from "../database/guard.ts";
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
  /** Of our own: the file whose statements have run before it. */
  readonly after?: Script | undefined;
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

/** Sessions in which nothing is written outside of a transaction of ours. */
const guarded = new WeakSet<Database["sql"]>();

/** Lets a session write again outside of our transactions. Not waited for. */
export function unguard({ sql }: Database): void {
  if (!guarded.delete(sql)) return;
  sql.unsafe(UNGUARD).catch(() => undefined);
}

/** How often this process has begun a transaction. */
let count = 0;

/**
 * Runs steps in one transaction that first proves that this backend holds the lock. All of it is sent at once, so that a
 * migration costs one round trip; after a failure PostgreSQL itself refuses the rest and answers the commit with ROLLBACK.
 *
 * A cancellation may hit anything, also what comes before BEGIN. Without one the steps would each be a transaction of their
 * own: so outside of ours the session is read-only. And a transaction whose session was not reset fails at its start.
 * @returns the rows of each step
 * @throws MigratorError `statement-failed`, `permission-denied`, `lock-lost`, `connection-lost`; then nothing is committed
 * (after `connection-lost` that is not known)
 */
export async function runTransaction(
  { database, settings }: Pick<RunContext, "database" | "settings">,
  steps: readonly Step[],
  { end = "commit", onBegin = () => {}, pause, ...how }: TransactionOptions = {},
): Promise<readonly Rows[]> {
  const fresh = `${process.pid}_${++count}`;
  const reset: Step = { sql: `${freshSession(database)}; ${GUARD}; set ${FRESH} = ${literal(fresh)}` };
  const begin: Step = { sql: beginSql(settings, fresh, how) };
  // Once more before the first, in a message of its own: nothing guards the session yet. Alone it may fail.
  if (!guarded.has(database.sql)) database.sql.unsafe(GUARD).catch(() => undefined);
  guarded.add(database.sql);
  const opening = [reset, begin];
  const script = steps.find(({ source }) => source)?.source?.script;
  const last: Step = { sql: end, source: script && { script } };
  const run = (step: Step): Promise<Rows> => {
    if (step === begin) return database.sql.signal(step.sql, onBegin).then(() => []);
    return database.sql.unsafe<Rows[number][]>(step.sql);
  };
  const runAll = (some: readonly Step[]) => settle(database, some, some.map(run));
  if (pause === undefined) return (await runAll([...opening, ...steps, last])).slice(opening.length, -1);
  try {
    const before = await runAll([...opening, ...steps.slice(0, pause.after)]);
    await pause.work();
    const after = await runAll([...steps.slice(pause.after), last]);
    pause.onDone();
    return [...before.slice(opening.length), ...after.slice(0, -1)];
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
  fresh: string,
  { onlyIf, awaitDisk = true, ask = inlineSql }: TransactionOptions,
): string {
  return [
    "begin read write",
    ...(awaitDisk ? [] : ["set local synchronous_commit = off"]),
    ...limitsSql(limits),
    ask(proofOf(ledger, fresh, onlyIf)),
  ].join("; ");
}

function limitsSql({ lockTimeoutMs, statementTimeoutMs }: Settings["limits"]): readonly string[] {
  return [`set local lock_timeout = ${lockTimeoutMs}`, `set local statement_timeout = ${statementTimeoutMs}`];
}

/** Brings a session back to its first state in the middle of a transaction, between two files. */
export function freshWithin({ database, settings }: Pick<RunContext, "database" | "settings">): Step {
  return { sql: [freshSession(database), ...limitsSql(settings.limits)].join("; ") };
}

/** A setting that only a reset session has. */
const FRESH = "migrator.fresh";

/** Fails where this backend does not hold the lock, where its session was not reset, or where a condition is not met. */
function proofOf(ledger: LedgerName, fresh: string, onlyIf: Call | undefined): Call {
  const isFresh: Call = {
    template: {
      name: "fresh",
      types: ["text"],
      sql: ([value]) => `pg_catalog.current_setting(${literal(FRESH)}, true) is not distinct from ${value}`,
    },
    values: [literal(fresh)],
  };
  return combine("proof", onlyIf ? [isFresh, onlyIf] : [isFresh], (reset = "", condition = "true") => {
    const conditions = [
      { sql: reset, otherwise: NOT_RESET },
      { sql: condition, otherwise: FAILED_BEFORE },
    ];
    return `select ${provenSql(ledger, "1", conditions)}`;
  });
}

/** Something that must be so, and what is said where it is not. */
export interface Condition {
  readonly sql: string;
  readonly otherwise: string;
}

/** An expression that is the value, and fails where this backend does not hold the lock, or a condition is not met. */
export function provenSql(ledger: LedgerName, value: string, conditions: readonly Condition[] = []): string {
  const all = [{ sql: holdsLockSql(lockKey(ledger)), otherwise: LOCK_LOST }, ...conditions];
  const cases = all.map(({ sql, otherwise }) => `when not (${sql}) then ${failSql(otherwise)}`);
  return `case ${cases.join(" ")} else ${value} end`;
}

const LOCK_LOST = "this connection does not hold the migration lock";
const NOT_RESET = "what earlier statements had set for the session could not be reset";
const FAILED_BEFORE = "the ledger does not hold the migration before it";
export const LEDGER_UNCHANGED =
  "the ledger is as it was before: a rule, a trigger or a policy on it may keep it so";

/** An expression that fails: plain SQL has no RAISE, and PL/pgSQL would be compiled anew for every migration. */
function failSql(message: string): string {
  // Not a constant, which would fail while the query is planned.
  return `(${literal(`${message}, backend `)} || pg_catalog.pg_backend_pid())::int`;
}

function isLockLost(cause: unknown): boolean {
  return isOurs(cause, LOCK_LOST);
}

/** Whether an error is one of `failSql`. */
function isOurs(cause: unknown, words: string): boolean {
  return codeOf(cause) === "22P02" && messageOf(cause).includes(words);
}

/** What an error says: our own words where they are ours. */
function wordsOf(cause: unknown): readonly string[] {
  const own = [NOT_RESET, FAILED_BEFORE, LEDGER_UNCHANGED].find((words) => isOurs(cause, words));
  return own === undefined ? serverWords(cause) : [own];
}

/** What a failed step means. */
export function explain(step: Step, cause: unknown, database: Database): MigratorError {
  if (isLockLost(cause)) return step.after ? lockGivenUp(step.after, cause) : lockLost(cause);
  if (!isServerError(cause)) return connectionLost(step, cause);
  const { host, port } = database.address;
  return new MigratorError({
    code: "statement-failed",
    message: step.source
      ? `${placeOf(step.source, cause)} failed`
      : step.after
        ? `${step.after.fileName}: its statements ran, but ledger and run log could not be written behind them`
        : `bookkeeping at ${host}:${port} failed`,
    details: [...wordsOf(cause), ...(isCommit(step) || step.after ? [] : ["", ...excerpt(step.sql, cause)])],
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
