import type { Settings } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { codeOf, isServerError, serverWords } from "../database/failures.ts";
import { LOCK_LOST, lockKey, proveLockSql } from "../database/lock.ts";
import { literal } from "../database/sql-text.ts";
import { EXIT, MigratorError } from "../errors.ts";
import type { Script } from "../folder/read.ts";
import { lineOf, type NumberedStatement } from "../folder/statements.ts";
import type { RunContext } from "./context.ts";

/** One thing sent inside a transaction: a statement of a file, or bookkeeping of ours. */
export interface Step {
  readonly sql: string;
  /** Where it stands in which file; undefined for our own statements. */
  readonly source?: { readonly script: Script; readonly statement: NumberedStatement } | undefined;
}

export type Rows = readonly Readonly<Record<string, unknown>>[];

/** Statements of a file as steps. */
export function stepsOf(script: Script, statements: readonly NumberedStatement[]): readonly Step[] {
  return statements.map((statement) => ({ sql: statement.sql, source: { script, statement } }));
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
  end: "commit" | "rollback" = "commit",
): Promise<readonly Rows[]> {
  const start = opening(settings, database);
  const all: readonly Step[] = [...start, ...steps, { sql: end }];
  const results = await Promise.allSettled(all.map((step) => database.sql.unsafe(step.sql)));
  const failed = results.findIndex((result) => result.status === "rejected");
  if (failed >= 0) throw explain(all[failed], (results[failed] as PromiseRejectedResult).reason, database);
  return results.slice(start.length, -1).map((result) => (result as PromiseFulfilledResult<Rows>).value);
}

/**
 * What an earlier file left in the session (a dump's empty search_path, another role, read-only transactions) must not
 * change what this one means: it is taken back before the transaction begins.
 */
function opening({ limits, ledger }: Settings, { applicationName }: Database): readonly Step[] {
  const timeouts = `set local lock_timeout = ${limits.lockTimeoutMs}; set local statement_timeout = ${limits.statementTimeoutMs}`;
  return [
    { sql: "reset session authorization; reset role; reset all" },
    // A pooler sets the name by a command, so that it is gone now.
    { sql: `set application_name = ${literal(applicationName)}` },
    { sql: "begin" },
    { sql: timeouts },
    { sql: proveLockSql(lockKey(ledger)) },
  ];
}

/** What a failed step means. */
export function explain(step: Step | undefined, cause: unknown, database: Database): MigratorError {
  if (codeOf(cause) === LOCK_LOST) return lockLost(cause);
  if (!isServerError(cause)) return connectionLost(step, cause);
  const { host, port } = database.address;
  return new MigratorError({
    code: "statement-failed",
    message: step?.source ? `${placeOf(step.source, cause)} failed` : `bookkeeping at ${host}:${port} failed`,
    details: [...serverWords(cause), ...(step ? ["", ...excerpt(step.sql, cause)] : [])],
    exitCode: EXIT.found,
    cause,
  });
}

/** `0007_x.sql, statement 3 of 9, line 24` */
function placeOf(source: NonNullable<Step["source"]>, cause: unknown): string {
  const position = isServerError(cause) ? Number(cause.position) || undefined : undefined;
  const total = source.script.statements.length;
  return `${source.script.fileName}, statement ${source.statement.number} of ${total}, line ${lineOf(source.statement, position)}`;
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

function connectionLost(step: Step | undefined, cause: unknown): MigratorError {
  return new MigratorError({
    code: "connection-lost",
    message: `the connection was lost${step?.source ? ` while ${step.source.script.fileName} ran` : ""}`,
    details: serverWords(cause),
    fix: "run `migrator status` to see where the database stands, then run again: what was applied is not run twice",
    exitCode: EXIT.found,
    cause,
  });
}
