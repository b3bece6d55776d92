import { createHash } from "node:crypto";
import { hostname } from "node:os";
import type { LedgerName } from "../config.ts";
import { cutName, LONGEST_NAME_BYTES } from "../ledger-name.ts";
import { VERSION } from "../version.ts";
import type { Database } from "./connect.ts";
import { ledgerTable } from "./ledger.ts";
import type { Call } from "./prepared.ts";
import { literal } from "./sql-text.ts";

export type Direction = "up" | "down";
export type Outcome = "done" | "failed" | "partial";

/** A run of one migration, as the log keeps it. */
export interface RunRecord {
  readonly tag: string;
  /** Of the up file, as in the ledger. */
  readonly hash: string;
  /** Of the file that is run: the same, or the down file's. */
  readonly scriptHash: string;
  readonly direction: Direction;
  readonly statements: number;
  readonly retries: number;
  /** Stands where an error would, while there is none. */
  readonly note?: string | undefined;
}

/** Our side table: beside the ledger, never in it. A name too long for PostgreSQL is shortened, the same way each time. */
export function runLogName({ schema, table }: LedgerName): LedgerName {
  const plain = `${table}_runs`;
  if (Buffer.byteLength(plain) <= LONGEST_NAME_BYTES) return { schema, table: plain };
  const ending = `_${createHash("sha256").update(table).digest("hex").slice(0, 8)}_runs`;
  return { schema, table: cutName(table, LONGEST_NAME_BYTES - ending.length) + ending };
}

export function runLogTable(ledger: LedgerName): string {
  return ledgerTable(runLogName(ledger));
}

/** Its columns. New ones are added at the end, and may be null: logs of older versions get them by `upgradeRunLogSql`. */
const COLUMNS = {
  id: "bigint generated always as identity primary key",
  tag: "text not null",
  hash: "text not null",
  direction: "text not null check (direction in ('up', 'down'))",
  started_at: "timestamptz not null",
  finished_at: "timestamptz not null",
  duration_ms: "double precision not null",
  statements: "integer not null",
  outcome: "text not null check (outcome in ('done', 'failed', 'partial'))",
  error: "text",
  retries: "integer not null default 0",
  role: "text not null default current_user",
  host: "text not null",
  pid: "integer not null",
  version: "text not null",
  script_hash: "text",
  completed: "integer",
  begun: "integer",
  indexes_before: "bigint[]",
} as const;

/** Names of the columns that this version writes. */
export const RUN_LOG_COLUMNS: readonly string[] = Object.keys(COLUMNS);

export function createRunLogSql(ledger: LedgerName): string {
  const columns = Object.entries(COLUMNS).map(([name, definition]) => `${name} ${definition}`);
  return `create table ${runLogTable(ledger)} (\n  ${columns.join(",\n  ")}\n)`;
}

/** Adds what a log of an older version lacks. */
export function upgradeRunLogSql(ledger: LedgerName): string {
  const columns = Object.entries(COLUMNS).map(
    ([name, definition]) => `add column if not exists ${name} ${definition}`,
  );
  return `alter table ${runLogTable(ledger)} ${columns.join(", ")}`;
}

/** Time since the transaction began, in ms. */
export const ELAPSED_MS =
  "extract(epoch from pg_catalog.clock_timestamp() - pg_catalog.transaction_timestamp()) * 1000";

/**
 * Runs inside the migration's transaction, so that the log says "done" exactly when it is. Times are the server's. Gives
 * its `durationMs`.
 */
export function insertDone(ledger: LedgerName, run: RunRecord): Call {
  const timing = {
    started: "pg_catalog.transaction_timestamp()",
    duration: ELAPSED_MS,
    outcome: "done",
  } as const;
  const own = ownValues(run, undefined);
  const sql = (values: readonly string[]) => {
    const named = Object.fromEntries(Object.keys(own).map((name, index) => [name, values[index] ?? "null"]));
    return `${insertSql(ledger, { ...named, ...timed(timing) })} returning duration_ms as "durationMs"`;
  };
  const types = Object.keys(own).map((name) => OWN_TYPES[name as keyof typeof OWN_TYPES]);
  return { template: { name: "log", types, sql }, values: Object.values(own) };
}

/** Begins the record of a run in segments, which a later run can take up. Gives its `id`. */
export function insertPartialSql(ledger: LedgerName, run: RunRecord): string {
  const timing = {
    started: "pg_catalog.clock_timestamp()",
    duration: "0",
    outcome: "partial",
    completed: "0",
  } as const;
  return `${insertSql(ledger, { ...ownValues(run, undefined), ...timed(timing) })} returning id`;
}

/** Closes runs of a file that were cut before anything of it stood: the next one begins anew. */
export function closeEmptyPartialsSql(ledger: LedgerName, { tag, direction }: RunRecord): string {
  return `update ${runLogTable(ledger)} set outcome = 'failed', error = coalesce(error, 'cut before anything stood')
    where outcome = 'partial' and tag = ${literal(tag)} and direction = ${literal(direction)} and completed = 0 and begun is null`;
}

/** Says, before a lone statement runs, that it may have run. */
export function beginSegmentSql(
  ledger: LedgerName,
  id: number,
  index: number,
  before: readonly number[],
): string {
  return `update ${runLogTable(ledger)} set begun = ${index}, indexes_before = '{${before.join(",")}}' where id = ${id}`;
}

/** Says that the lone statement which was begun has not been done. */
export function noteRefusalSql(ledger: LedgerName, id: number): string {
  return `update ${runLogTable(ledger)} set begun = null, indexes_before = null where id = ${id}`;
}

/** Says that one more segment stands. @param elapsed SQL for the ms that it took */
export function completeSegmentSql(
  ledger: LedgerName,
  id: number,
  index: number,
  { elapsed, retries }: { readonly elapsed: string; readonly retries: number },
): string {
  return `update ${runLogTable(ledger)} set completed = ${index + 1}, begun = null, error = null,
    finished_at = pg_catalog.clock_timestamp(), duration_ms = duration_ms + ${elapsed}, retries = retries + ${retries} where id = ${id}`;
}

/** Another process may have begun it: then the row says so, and goes over to this one. */
export function finishPartialSql(ledger: LedgerName, id: number, note?: string): string {
  const me = `pid = ${process.pid} and host = ${literal(hostname())}`;
  const begun = `case when not (${me}) then pg_catalog.format('begun by pid %s on %s', pid, host) end`;
  const error = `nullif(pg_catalog.concat_ws('; ', ${note === undefined ? "null" : literal(note)}, ${begun}), '')`;
  return `update ${runLogTable(ledger)} set outcome = 'done', error = ${error}, pid = ${process.pid}, host = ${literal(hostname())},
    version = ${literal(VERSION)} where id = ${id} returning duration_ms as "durationMs"`;
}

/** Ends a cut run for good: it is not taken up again. */
export function forgetPartialSql(ledger: LedgerName, id: number): string {
  return `update ${runLogTable(ledger)} set outcome = 'failed', error = coalesce(error || '; ', '') || 'forgotten' where id = ${id}`;
}

/** Lets the commands of one message write where sessions are read-only by default; first among them. */
export const READ_WRITE = "set transaction read write";

/** For notes that a run can do without: another session's lock on the log must not keep it. */
const SHORTLY = `${READ_WRITE}; set local lock_timeout = '1s'; set local statement_timeout = '1s'; `;

/** Records why a run in segments stopped. Best effort. */
export async function notePartialError(
  database: Database,
  ledger: LedgerName,
  id: number,
  error: string,
): Promise<void> {
  const sql = `update ${runLogTable(ledger)} set error = ${literal(error)} where id = ${id}`;
  await database.sql.unsafe(SHORTLY + sql).catch(() => undefined);
}

/** Records a run that failed and was rolled back. Best effort: the failure itself is what matters. */
export async function recordFailure(
  database: Database,
  ledger: LedgerName,
  run: RunRecord,
  failure: { readonly error: string; readonly durationMs: number },
): Promise<void> {
  const started = `pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => ${failure.durationMs / 1000})`;
  const timing = { started, duration: String(failure.durationMs), outcome: "failed" } as const;
  const values = { ...ownValues(run, failure.error), ...timed(timing) };
  await database.sql.unsafe(SHORTLY + insertSql(ledger, values)).catch(() => undefined);
}

interface Timing {
  /** SQL. */
  readonly started: string;
  /** SQL, ms. */
  readonly duration: string;
  readonly outcome: Outcome;
  /** SQL. */
  readonly completed?: string;
}

/** SQL by the column's name. */
type Values = Readonly<Record<string, string>>;

/** Types of what is each run's own. */
const OWN_TYPES = {
  tag: "text",
  hash: "text",
  script_hash: "text",
  direction: "text",
  statements: "integer",
  error: "text",
  retries: "integer",
} as const;

/** What is each run's own. @param error what stopped it */
function ownValues(run: RunRecord, error: string | undefined): Record<keyof typeof OWN_TYPES, string> {
  const said = [run.note, error].filter((text) => text !== undefined).join("; ");
  return {
    tag: literal(run.tag),
    hash: literal(run.hash),
    script_hash: literal(run.scriptHash),
    direction: literal(run.direction),
    statements: String(run.statements),
    error: said === "" ? "null" : literal(said),
    retries: String(run.retries),
  };
}

function timed({ started, duration, outcome, completed = "null" }: Timing): Values {
  return {
    started_at: started,
    finished_at: "pg_catalog.clock_timestamp()",
    duration_ms: duration,
    outcome: literal(outcome),
    completed,
    host: literal(hostname()),
    pid: String(process.pid),
    version: literal(VERSION),
  };
}

function insertSql(ledger: LedgerName, values: Values): string {
  return `insert into ${runLogTable(ledger)} (${Object.keys(values).join(", ")}) values (${Object.values(values).join(", ")})`;
}
