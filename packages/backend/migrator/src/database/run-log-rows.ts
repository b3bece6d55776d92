import type { Database } from "./connect.ts";
import { codeOf } from "./failures.ts";
import { boundedSql, type Reading, readFailure, showTable } from "./reading.ts";
import { type Direction, type Outcome, runLogName, runLogTable } from "./run-log.ts";

/** When a migration was last applied, or undone, and how long that took. */
export interface LastRun {
  readonly tag: string;
  /** As in the ledger at that time. */
  readonly hash: string;
  readonly direction: Direction;
  /** ISO 8601, UTC. */
  readonly finishedAt: string;
  readonly durationMs: number;
}

/** A run that was cut between two segments of its file. */
export interface PartialRun {
  readonly id: number;
  readonly tag: string;
  readonly direction: Direction;
  readonly scriptHash: string;
  /** How many segments of the file stand. */
  readonly completed: number;
  /** Index of a lone statement that was begun and may or may not have ended; null when none was. */
  readonly begun: number | null;
  /** Oids of what that statement is about, as it was before: of the table's indexes where it builds one. */
  readonly before: readonly number[];
}

/** A row of the log, for people. */
export interface RunRow {
  readonly id: number;
  readonly tag: string;
  readonly direction: Direction;
  readonly outcome: Outcome;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly statements: number;
  readonly retries: number;
  readonly error: string | null;
  readonly role: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
}

/** The last finished run of each tag and hash, newest first; none where the table is missing or may not be read. */
export async function readLastRuns(database: Database, reading: Reading): Promise<readonly LastRun[]> {
  return read<LastRun>(
    database,
    reading,
    `select tag, hash, direction, duration_ms as "durationMs", ${isoOf("finished_at")} as "finishedAt"
    from (select distinct on (tag, hash) * from ${runLogTable(reading.ledger)} where outcome = 'done' order by tag, hash, id desc) last
    order by id desc`,
  );
}

/** Runs that were cut and not finished since. */
export async function readPartialRuns(database: Database, reading: Reading): Promise<readonly PartialRun[]> {
  return read<PartialRun>(
    database,
    reading,
    `select id::int, tag, direction, script_hash as "scriptHash", completed, begun,
      coalesce(to_json(indexes_before), '[]') as before
    from ${runLogTable(reading.ledger)} where outcome = 'partial' and completed + coalesce(begun + 1, 0) > 0 order by id`,
  );
}

/** The last runs, newest first. */
export async function readRuns(
  database: Database,
  reading: Reading,
  most: number,
): Promise<readonly RunRow[]> {
  return read<RunRow>(
    database,
    reading,
    `select id::int, tag, direction, outcome, ${isoOf("started_at")} as "startedAt", duration_ms as "durationMs",
      statements, retries, error, role, host, pid, version
    from ${runLogTable(reading.ledger)} order by id desc limit ${most}`,
  );
}

/** Nothing where the log is missing, not readable, or of an older version. @throws MigratorError */
async function read<T extends object>(
  database: Database,
  { ledger, limits }: Reading,
  sql: string,
): Promise<readonly T[]> {
  return database.sql.unsafe<T[]>(boundedSql(limits, sql)).catch((error: unknown) => {
    if (["42P01", "3F000", "42501", "42703"].includes(codeOf(error) ?? "")) return [];
    throw readFailure(error, `the run log ${showTable(runLogName(ledger))}`, limits);
  });
}

function isoOf(column: string): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}
