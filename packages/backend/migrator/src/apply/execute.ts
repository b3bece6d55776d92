import type { LedgerName, Settings } from "../config.ts";
import type { Rows } from "../database/batch.ts";
import type { Database } from "../database/connect.ts";
import { isServerError } from "../database/failures.ts";
import { holdsLockSql, lockKey } from "../database/lock.ts";
import { type Call, combine, inlineSql, type Preparer } from "../database/prepared.ts";
import type { Session } from "../database/session.ts";
import { literal } from "../database/sql-text.ts";
import type { Script } from "../folder/read.ts";
import type { NumberedStatement } from "../folder/statements.ts";
import type { RunContext } from "./context.ts";
import { messagesOf, send } from "./messages.ts";
import { explain, FAILED_BEFORE, failSql, LOCK_LOST, NOT_RESET, type Step } from "./step-failures.ts";

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

/** How often this process has begun a transaction. */
let count = 0;

/**
 * Runs steps in one transaction that first proves that this backend holds the lock. From its BEGIN to its end it is one
 * message, so that a migration costs one round trip, and none of it can run without the rest: whatever fails, PostgreSQL
 * reads no further. What is too much for one message, or cannot be joined, goes in several, each once the one before it is
 * answered.
 *
 * A cancellation may also hit what resets the session before it: then the transaction fails at its start.
 * @returns the rows of each step that is not of a file
 * @throws MigratorError `statement-failed`, `permission-denied`, `lock-lost`, `connection-lost`; then nothing is committed
 * (after `connection-lost` that is not known)
 */
export async function runTransaction(
  { database, settings }: Pick<RunContext, "database" | "settings">,
  steps: readonly Step[],
  { end = "commit", onBegin = () => {}, pause, ...how }: TransactionOptions = {},
): Promise<readonly Rows[]> {
  const fresh = `${process.pid}_${++count}`;
  const script = steps.find(({ source }) => source)?.source?.script;
  const reset: Step = { sql: `${freshSession(database)}; set ${FRESH} = ${literal(fresh)}` };
  const begin: Step = { sql: `${titleOf(script)}${beginSql(settings, fresh, how)}` };
  const last: Step = { sql: end, source: script && { script } };
  const { after = steps.length } = pause ?? {};
  const rows: Rows[] = [];
  const sendAll = async (some: readonly Step[]) => {
    for (const message of messagesOf(some))
      rows.push(...(await send(database, message, FRESH, (step) => step === begin && onBegin())));
  };
  try {
    // The answer to the reset is not waited for.
    const opening = [
      sendAlone(database, reset),
      sendAll([begin, ...steps.slice(0, after), ...(pause ? [] : [last])]),
    ];
    for (const result of await Promise.allSettled(opening))
      if (result.status === "rejected") throw result.reason;
    if (pause) {
      await pause.work();
      await sendAll([...steps.slice(after), last]);
    }
  } catch (error) {
    await leaveTransaction(database);
    await pause?.onFailed(error);
    throw error;
  }
  pause?.onDone();
  return rows.slice(1, -1);
}

async function sendAlone(database: Database, step: Step): Promise<void> {
  await database.sql.unsafe(step.sql).catch((cause: unknown) => {
    throw explain(step, cause, database);
  });
}

/** What a person reads first who looks at what the server does. */
function titleOf(script: Script | undefined): string {
  return script && /^[\w.-]+$/.test(script.fileName) ? `/* ${script.fileName} */ ` : "";
}

/** Sessions on the way out of a transaction that failed: of those sent ahead of each other all fail, and one ROLLBACK will do. */
const leaving = new WeakMap<Session, Promise<void>>();

function leaveTransaction(database: Database): Promise<void> {
  const { sql } = database;
  const left = leaving.get(sql) ?? rollBack(database).finally(() => leaving.delete(sql));
  leaving.set(sql, left);
  return left;
}

/** How often a ROLLBACK that was cancelled is sent again. */
const ROLLBACK_TRIES = 10;

async function rollBack(database: Database): Promise<void> {
  const heard = database.onNotice;
  // PostgreSQL warns where there is no transaction: it has not been begun, or not been parsed.
  database.onNotice = () => {};
  const once = () => database.sql.unsafe(`rollback; ${freshSession(database)}`);
  for (let tries = 0; tries < ROLLBACK_TRIES; tries++) {
    const failure = await once().then(
      () => undefined,
      (error: unknown) => error,
    );
    if (!isServerError(failure)) break;
  }
  database.onNotice = heard;
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
  return combine("proof", onlyIf ? [isFresh, onlyIf] : [isFresh], (reset = "", condition?: string) => {
    const conditions = [
      { sql: reset, otherwise: NOT_RESET },
      ...(condition === undefined ? [] : [{ sql: condition, otherwise: FAILED_BEFORE }]),
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
