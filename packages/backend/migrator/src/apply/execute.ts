import { randomBytes } from "node:crypto";
import type { LedgerName, Settings } from "../config.ts";
import type { Rows } from "../database/batch.ts";
import type { Database } from "../database/connect.ts";
import { CANCELLED, codeOf } from "../database/failures.ts";
import { holdsLockSql, lockKey } from "../database/lock.ts";
import { type Call, combine, inlineSql, type Preparer } from "../database/prepared.ts";
import type { Session } from "../database/session.ts";
import { literal } from "../database/sql-text.ts";
import type { Script } from "../folder/read.ts";
import type { NumberedStatement } from "../folder/statements.ts";
import type { RunContext } from "./context.ts";
import { type Message, messagesOf, send } from "./messages.ts";
import { explain, failSql, type Requirement, type Step, StepFailure } from "./step-failures.ts";

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
  /** Called when the server comes to it, before any of its NOTICEs: some come of parsing it. */
  readonly onBegin?: () => void;
  /** Called when it fails, before any NOTICE of what was sent behind it. */
  readonly onFailed?: () => void;
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

/** How many messages of one transaction are under way at most. */
const MOST_UNANSWERED = 16;

/** How often this process has begun a transaction. */
let count = 0;

/**
 * Runs steps in one transaction that first proves that this backend holds the lock. From its BEGIN to its end it is one
 * message, so that a migration costs one round trip, and none of it can run without the rest: whatever fails, PostgreSQL
 * runs no more of it. What is too much for one message, or cannot be joined, goes in several, once the first is answered: from
 * then on PostgreSQL refuses what stands behind a failure.
 *
 * A cancellation may also hit what resets the session before it: then the transaction fails at its start. One that comes
 * after the commit is a failure to the server, but none of ours.
 * @returns the rows of each step, none for those of a file
 * @throws MigratorError `statement-failed`, `permission-denied`, `lock-lost`, `connection-lost`; then nothing is committed
 * (after `connection-lost` that is not known)
 */
export async function runTransaction(
  { database, settings }: Pick<RunContext, "database" | "settings">,
  steps: readonly Step[],
  { end = "commit", onBegin = () => {}, onFailed = () => {}, pause, ...how }: TransactionOptions = {},
): Promise<readonly Rows[]> {
  const fresh = `${process.pid}_${++count}`;
  const script = steps.find(({ source }) => source)?.source?.script;
  const reset: Step = { sql: `${freshSession(database)}; set ${FRESH} = ${literal(fresh)}; show ${FRESH}` };
  const begin: Step = { sql: beginSql(settings, fresh, how) };
  const last: Step = { sql: end, source: script && { script } };
  const all = [begin, ...steps, ...(end === "commit" ? [XID] : []), last];
  const half = pause ? 1 + pause.after : all.length;
  const rows: Rows[] = [];
  const sendOne = (message: Message) =>
    send(database, message, { mark: FRESH, title: titleOf(script) }, onFailed);
  // Within a transaction nothing is run behind a failure, so that what is left of it need not wait for answers.
  const sendMore = async (messages: readonly Message[]) => {
    for (let at = 0; at < messages.length; at += MOST_UNANSWERED) {
      const sent = await Promise.allSettled(messages.slice(at, at + MOST_UNANSWERED).map(sendOne));
      for (const result of sent) {
        if (result.status === "rejected") throw result.reason;
        rows.push(...result.value);
      }
    }
  };
  const open = async (some: readonly Step[]) => {
    const [first = [], ...others] = messagesOf(database, some);
    rows.push(...(await sendOne(first)));
    await sendMore(others);
  };
  try {
    // The answer to the reset is not waited for. It counts only where the transaction has failed at its start.
    const opening = [sendReset(database, reset, onBegin), open(all.slice(0, half))];
    const [resetting, opened] = await Promise.allSettled(opening);
    if (opened?.status === "rejected") throw culpritOf(resetting, opened, begin);
    if (pause) {
      await pause.work();
      await sendMore(messagesOf(database, all.slice(half)));
    }
  } catch (error) {
    const failure = await fateOf(database, error, last);
    if (failure !== undefined) {
      await pause?.onFailed(failure);
      throw failure;
    }
    rows.push(...(error as StepFailure).rows);
  }
  pause?.onDone();
  return rows.slice(1, steps.length + 1);
}

function culpritOf(
  resetting: PromiseSettledResult<void> | undefined,
  { reason }: PromiseRejectedResult,
  begin: Step,
): unknown {
  const atStart = reason instanceof StepFailure && reason.step === begin;
  return atStart && resetting?.status === "rejected" ? resetting.reason : reason;
}

async function sendReset(database: Database, step: Step, onDone: () => void): Promise<void> {
  await database.sql.signal(step.sql, onDone).catch((cause: unknown) => {
    throw explain(step, cause, database);
  });
}

/** What a person reads first who looks at what the server does. */
function titleOf(script: Script | undefined): string {
  return script && /^[\w.-]+$/.test(script.fileName) ? `/* ${script.fileName} */ ` : "";
}

/** Asked before a commit, so that its fate can be asked for afterwards. */
const XID: Step = { sql: "select pg_catalog.pg_current_xact_id_if_assigned()::text as xid" };

/**
 * Leaves a transaction that has failed. @returns its failure; undefined where it was committed all the same: the server may
 * notice a cancellation only after that
 */
async function fateOf(database: Database, error: unknown, last: Step): Promise<unknown> {
  await leaveTransaction(database);
  if (!(error instanceof StepFailure) || error.step !== last) return error;
  const xid = error.rows.at(-1)?.[0]?.xid;
  if (typeof xid !== "string") return error;
  try {
    const [row] = await insist(database, `select pg_catalog.pg_xact_status(${literal(xid)}::xid8) as status`);
    return row?.status === "committed" ? undefined : error;
  } catch (cause) {
    return explain(last, cause, database);
  }
}

/** Sessions on the way out of a transaction that failed: of those sent ahead of each other all fail, and one ROLLBACK will do. */
const leaving = new WeakMap<Session, Promise<unknown>>();

function leaveTransaction(database: Database): Promise<unknown> {
  const { sql } = database;
  const left =
    leaving.get(sql) ??
    insist(database, `rollback; ${freshSession(database)}`)
      .catch(() => undefined)
      .finally(() => leaving.delete(sql));
  leaving.set(sql, left);
  return left;
}

/** How often something that was cancelled is sent again. */
const TRIES = 10;

/** For what must not be stopped by a cancellation that was meant for what came before it. */
async function insist({ sql }: Database, text: string): Promise<Rows> {
  for (let tries = 1; ; tries++) {
    try {
      return await sql.unsafe(text);
    } catch (error) {
      if (codeOf(error) !== CANCELLED || tries === TRIES) throw error;
    }
  }
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

/** A setting that only a reset session has, under a name that no file knows. */
const FRESH = `migrator.at_${randomBytes(3).toString("hex")}`;

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
    const isReset: Condition = { sql: reset, missed: "reset" };
    const conditions =
      condition === undefined ? [isReset] : [isReset, { sql: condition, missed: "before" } as const];
    return `select ${provenSql(ledger, "1", conditions)}`;
  });
}

/** Something that must be so. */
export interface Condition {
  readonly sql: string;
  readonly missed: Requirement;
}

/** An expression that is the value, and fails where this backend does not hold the lock, or a condition is not met. */
export function provenSql(ledger: LedgerName, value: string, conditions: readonly Condition[] = []): string {
  const all: readonly Condition[] = [{ sql: holdsLockSql(lockKey(ledger)), missed: "lock" }, ...conditions];
  const cases = all.map(({ sql, missed }) => `when not (${sql}) then ${failSql(missed)}`);
  return `case ${cases.join(" ")} else ${value} end`;
}
