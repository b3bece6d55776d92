import { hostname } from "node:os";
import type { LedgerName } from "../config.ts";
import { VERSION } from "../version.ts";
import type { Database } from "./connect.ts";
import { codeOf } from "./failures.ts";
import { ledgerTable } from "./ledger.ts";
import { literal } from "./sql-text.ts";

/** A successful run of one migration. */
export interface RunRecord {
  readonly tag: string;
  readonly hash: string;
  readonly direction: "up" | "down";
  readonly statements: number;
}

/** When a migration now standing was applied, and how long that took. */
export interface AppliedRun {
  readonly hash: string;
  /** ISO 8601, UTC. */
  readonly appliedAt: string;
  readonly durationMs: number;
}

/** Our side table: beside the ledger, never in it. */
export function runLogName(ledger: LedgerName): LedgerName {
  return { schema: ledger.schema, table: `${ledger.table}_runs` };
}

export function createRunLogSql(ledger: LedgerName): string {
  return `create table ${ledgerTable(runLogName(ledger))} (
    id bigint generated always as identity primary key,
    tag text not null,
    hash text not null,
    direction text not null check (direction in ('up', 'down')),
    started_at timestamptz not null,
    finished_at timestamptz not null,
    duration_ms double precision not null,
    statements integer not null,
    outcome text not null check (outcome in ('done', 'failed')),
    error text,
    retries integer not null default 0,
    role text not null default current_user,
    host text not null,
    pid integer not null,
    version text not null
  )`;
}

/** Runs inside the migration's transaction, so that the log says "done" exactly when it is. Times are the server's. */
export function insertRunSql(ledger: LedgerName, run: RunRecord): string {
  const { tag, hash, direction, statements } = run;
  return `insert into ${ledgerTable(runLogName(ledger))}
    (tag, hash, direction, started_at, finished_at, duration_ms, statements, outcome, host, pid, version)
    values (${literal(tag)}, ${literal(hash)}, ${literal(direction)}, transaction_timestamp(), clock_timestamp(),
      ${ELAPSED_MS}, ${statements}, 'done', ${literal(hostname())}, ${process.pid}, ${literal(VERSION)})`;
}

/** Records a run that failed and was rolled back. Best effort: the failure itself is what matters. */
export async function recordFailure(
  database: Database,
  ledger: LedgerName,
  run: RunRecord & { readonly error: string; readonly durationMs: number },
): Promise<void> {
  const { tag, hash, direction, statements, error, durationMs } = run;
  const sql = `insert into ${ledgerTable(runLogName(ledger))}
    (tag, hash, direction, started_at, finished_at, duration_ms, statements, outcome, error, host, pid, version)
    values (${literal(tag)}, ${literal(hash)}, ${literal(direction)},
      clock_timestamp() - make_interval(secs => ${durationMs / 1000}), clock_timestamp(), ${durationMs}, ${statements},
      'failed', ${literal(error)}, ${literal(hostname())}, ${process.pid}, ${literal(VERSION)})`;
  await database.sql.unsafe(sql).catch(() => undefined);
}

/** Time since the transaction began, in ms. */
export const ELAPSED_MS = "extract(epoch from clock_timestamp() - transaction_timestamp()) * 1000";

/** The last successful "up" of each hash; none where the table is missing or may not be read. */
export async function readAppliedRuns(
  database: Database,
  ledger: LedgerName,
): Promise<readonly AppliedRun[]> {
  const sql = `select hash, duration_ms as "durationMs",
      to_char(finished_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "appliedAt"
    from (select distinct on (hash) * from ${ledgerTable(runLogName(ledger))} where outcome = 'done' order by hash, id desc) last
    where direction = 'up'`;
  return database.sql.unsafe<AppliedRun[]>(sql).catch((error: unknown) => {
    if (["42P01", "3F000", "42501"].includes(codeOf(error) ?? "")) return [];
    throw error;
  });
}
