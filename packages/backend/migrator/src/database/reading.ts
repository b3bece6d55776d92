import type { LedgerName } from "../config.ts";
import { EXIT, MigratorError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { codeOf, isServerError, serverWords } from "./failures.ts";

/** What a read of ledger or run log needs: which one, and how long it may wait. */
export interface Reading {
  readonly ledger: LedgerName;
  readonly limits: Limits;
}

/** SQL that waits for locks and runs as long as the limits say, whatever role and database have set, in its own transaction. */
export function boundedSql({ lockTimeoutMs, statementTimeoutMs }: Limits, sql: string): string {
  // Local to the text's own transaction: behind a pooler, a setting of the session would reach other clients.
  return `set local lock_timeout = ${lockTimeoutMs}; set local statement_timeout = ${statementTimeoutMs}; ${sql}`;
}

/** What a failed read means. @param what e.g. `the ledger drizzle.__drizzle_migrations` */
export function readFailure(cause: unknown, what: string, limits: Limits): MigratorError {
  return new MigratorError({
    ...meaningOf(cause, what, limits),
    details: serverWords(cause),
    state: "nothing was changed",
    exitCode: EXIT.found,
    cause,
  });
}

function meaningOf(cause: unknown, what: string, { lockTimeoutMs }: Limits) {
  if (!isServerError(cause))
    return {
      code: "connection-lost",
      message: `the connection was lost while ${what} was read`,
      fix: "run again",
    };
  if (codeOf(cause) === "55P03") {
    return {
      code: "ledger-locked",
      message: `${what} could not be read within ${lockTimeoutMs} ms: another session has locked it`,
      fix: "wait for what is in the way or end it (SELECT pg_terminate_backend(<pid>);), then run again; or wait longer: MIGRATOR_LOCK_TIMEOUT, and where the command has it --lock-timeout",
    };
  }
  if (codeOf(cause) === "57014") {
    return {
      code: "read-cancelled",
      message: `the reading of ${what} was cancelled`,
      fix: "run again; where its time was up, give it more: MIGRATOR_STATEMENT_TIMEOUT, and where the command has it --statement-timeout",
    };
  }
  return {
    code: "ledger-unreadable",
    message: `${what} cannot be read`,
    fix: "mend what PostgreSQL says, then run again",
  };
}

/** The same failure with who was in the way. */
export function withBlockers(error: unknown, blockers: string | undefined): unknown {
  if (!(error instanceof MigratorError) || blockers === undefined) return error;
  const { code, message, details, state, fix, exitCode, cause } = error;
  return new MigratorError({
    code,
    message,
    details: [...details, `in the way: ${blockers}`],
    state,
    fix,
    exitCode,
    cause,
  });
}

/** `drizzle.__drizzle_migrations`, for people. */
export function showTable({ schema, table }: LedgerName): string {
  return `${schema}.${table}`;
}
