import { codeOf, isServerError, serverWords } from "../../database/failures.ts";
import type { Session } from "../../database/session.ts";

/** How long looking may take, in ms. */
export interface LookLimits {
  /** One query. */
  readonly timeoutMs: number;
  /** All of them. */
  readonly totalMs: number;
  /** Waiting for a table that another session has locked. */
  readonly lockTimeoutMs: number;
}

/** Reads the target, and can do nothing else to it. */
export interface Looker {
  /**
   * Runs one query by itself: its locks are given up afterwards, and where it fails the next one runs all the same.
   * @param session whether names without a schema are looked up as a migration's session does; else they are not
   * @throws the server's error, or TimeIsUp
   */
  ask<T extends object>(sql: string, session?: boolean): Promise<readonly T[]>;
}

/** There was no time left for a question. */
export class TimeIsUp extends Error {}

const SAVEPOINT = "migrator_look";

/**
 * Looks at the target in one read-only transaction. Rows that a policy hides from this role make a question fail,
 * since the migration would not overlook them.
 */
export async function withLooker<T>(
  target: Session,
  { timeoutMs, totalMs, lockTimeoutMs }: LookLimits,
  work: (looker: Looker) => Promise<T>,
): Promise<T> {
  const end = performance.now() + totalMs;
  const settings = [
    "row_security = off",
    "jit = off",
    `lock_timeout = ${lockTimeoutMs}`,
    "search_path = ''",
    "work_mem = '64MB'",
  ].map((setting) => `set local ${setting}`);
  await target.unsafe(`begin transaction read only; ${settings.join("; ")}; savepoint ${SAVEPOINT}`);
  try {
    return await work({
      async ask<T extends object>(sql: string, session = false) {
        const left = Math.floor(end - performance.now());
        if (left <= 0) throw new TimeIsUp(`no time was left for it, of ${totalMs} ms for all checks`);
        const path = session ? "set local search_path to default; " : "";
        const timeout = `set local statement_timeout = ${Math.min(timeoutMs, left)}; `;
        // Not awaited one by one: both are sent at once, in this order. What is rolled back gives its locks up.
        const answer = target.unsafe<readonly T[]>(timeout + path + sql);
        const back = target.unsafe(`rollback to savepoint ${SAVEPOINT}`);
        const [rows] = await Promise.all([answer, back]);
        return rows;
      },
    });
  } finally {
    // The connection may be what failed.
    await target.unsafe("rollback").catch(() => undefined);
  }
}

/** Why a question has no answer; undefined where that is nothing that the target said. */
export function reasonOf(error: unknown): string | undefined {
  if (error instanceof TimeIsUp) return error.message;
  if (!isServerError(error)) return undefined;
  const [words = ""] = serverWords(error);
  const reason = REASONS[codeOf(error) ?? ""];
  return reason === undefined ? words : `${reason}: ${words}`;
}

/** Whether a question found a row that it could not be asked of: division by zero, a text that is no number. */
export function isOfData(error: unknown): boolean {
  return isServerError(error) && /^(22|23)/.test(error.code);
}

export function isTimeout(error: unknown): boolean {
  return codeOf(error) === "57014";
}

const REASONS: Readonly<Record<string, string>> = {
  "57014": "it took too long",
  "55P03": "another session has locked the table",
  "42501": "this role may not read all of it",
  "42P01": "the target lacks what it needs",
  "42703": "the target lacks what it needs",
  "42704": "the target lacks what it needs",
  "42883": "the target lacks what it needs",
  "3F000": "the target lacks what it needs",
};
