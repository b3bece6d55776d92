import type { LedgerName } from "../config.ts";
import { MigratorError } from "../errors.ts";
import { type Listener, SILENT } from "../events.ts";
import type { Database } from "./connect.ts";
import { codeOf, serverWords } from "./failures.ts";
import { type LedgerRow, ledgerTable, parseRows, readRowsSql } from "./ledger.ts";
import { boundedSql, type Reading, readFailure, showTable, withBlockers } from "./reading.ts";
import { RUN_LOG_COLUMNS, runLogName } from "./run-log.ts";
import { type PartialRun, readPartialRuns } from "./run-log-rows.ts";
import type { Session } from "./session.ts";
import { identifier, literal } from "./sql-text.ts";
import { createWatcher, patienceOf } from "./watch.ts";

/** What a run needs to know of the server before it writes anything. */
export interface ServerFacts {
  readonly database: string;
  readonly role: string;
  /** Of the backend that was asked. */
  readonly pid: number;
  /** e.g. "17.10" */
  readonly version: string;
  readonly inRecovery: boolean;
  readonly readOnly: boolean;
  /** Where that comes from, as pg_settings calls it: "user", "database", "client", "configuration file", …; null unless read-only. */
  readonly readOnlySource: string | null;
  readonly hasLedgerSchema: boolean;
  readonly hasLedger: boolean;
  readonly hasRunLog: boolean;
  /** What has the run log's name and is no table, in words ("a view"); null otherwise. */
  readonly insteadOfRunLog: string | null;
  readonly mayCreateSchema: boolean;
  /** Whether the role may create tables in the ledger's schema; false where there is none yet. */
  readonly mayCreateInLedgerSchema: boolean;
  readonly mayUseLedgerSchema: boolean;
  /** Rows and the sequence of their ids. */
  readonly mayWriteLedger: boolean;
  /** Which only a rollback does. */
  readonly mayDeleteFromLedger: boolean;
  /** Which only `repair` does. */
  readonly mayUpdateLedger: boolean;
  /** Whether the run log lacks a column that this version writes. */
  readonly runLogIsOld: boolean;
  readonly mayAlterRunLog: boolean;
  readonly mayWriteRunLog: boolean;
}

/** Server and ledger, read in one round trip. */
export interface Inspection {
  readonly facts: ServerFacts;
  readonly ledger: readonly LedgerRow[];
  /** Runs that were cut between two segments. */
  readonly partials: readonly PartialRun[];
}

/**
 * Waits for locks within the limits, and says meanwhile who holds them.
 * @throws MigratorError `permission-denied` for a ledger that this role may not read, `ledger-locked`, `not-a-ledger`, `v1-ledger`
 */
export async function inspect(
  database: Database,
  reading: Reading,
  on: Listener = SILENT,
): Promise<Inspection> {
  // All sent at once: one round trip.
  const reads = [readFacts(database, reading), readBooks(database, reading)] as const;
  reads[1].catch(() => undefined);
  const facts = await reads[0];
  const watcher = createWatcher(database, facts.pid);
  try {
    const [ledger, partials] = await watcher.during(() => reads[1], {
      patienceMs: patienceOf(reading.limits),
      signal: new AbortController().signal,
      onSight: (seen) => on({ type: "sighting", tag: showTable(reading.ledger), ...seen }),
    });
    return { facts, ledger, partials };
  } catch (error) {
    const denied = error instanceof MigratorError && codeOf(error.cause) === "42501";
    throw denied
      ? unreadable(facts, reading.ledger, error.cause)
      : withBlockers(error, watcher.takeBlockers());
  } finally {
    await watcher.close();
  }
}

async function readFacts(database: Database, { ledger, limits }: Reading): Promise<ServerFacts> {
  const text = boundedSql(limits, factsSql(ledger));
  const [facts] = await database.sql.unsafe<ServerFacts[]>(text).catch((cause: unknown) => {
    throw readFailure(cause, "the server's catalog", limits);
  });
  if (facts === undefined) throw new Error("the server answered the inspection with no row");
  return facts;
}

async function readBooks(database: Database, reading: Reading) {
  return Promise.all([readLedger(database.sql, reading), readPartialRuns(database, reading)]);
}

/**
 * The ledger's rows in the order they were written; none where the table does not exist.
 * @throws MigratorError
 */
export async function readLedger(sql: Session, { ledger, limits }: Reading): Promise<readonly LedgerRow[]> {
  const rows = await sql.unsafe(boundedSql(limits, readRowsSql(ledger))).catch((cause: unknown) => {
    // Undefined table or schema: nothing has been applied yet.
    if (["42P01", "3F000"].includes(codeOf(cause) ?? "")) return undefined;
    if (codeOf(cause) === "42703") throw notALedger(ledger, cause);
    throw readFailure(cause, `the ledger ${showTable(ledger)}`, limits);
  });
  if (rows === undefined) return [];
  const columns = new Set(rows.columns.map(({ name }) => name));
  if (columns.has("name")) throw v1Ledger(ledger);
  if (!columns.has("hash") || !columns.has("created_at")) throw notALedger(ledger);
  return parseRows(rows);
}

/** How a server is shown: `127.0.0.1:5432 (PostgreSQL 17.10)`. */
export function showServer(database: Database, facts: ServerFacts): string {
  return `${database.address.host}:${database.address.port} (PostgreSQL ${facts.version})`;
}

/** Names are looked up once, in a CTE that the planner may not pull up: it would plan each use of them anew, for 7 ms. */
function factsSql(ledger: LedgerName): string {
  const relation = (alias: string, name: string) =>
    `left join pg_catalog.pg_class ${alias} on ${alias}.relnamespace = ns.oid and ${alias}.relname = ${literal(name)}`;
  return `
    with it as materialized (
      select ns.oid as ns, ledger.oid as ledger, log.oid as log, log.relkind, log.relowner
      from (select) one left join pg_catalog.pg_namespace ns on ns.nspname = ${literal(ledger.schema)}
      ${relation("ledger", ledger.table)} ${relation("log", runLogName(ledger).table)})
    select current_database() as "database", current_user as "role", pg_backend_pid() as "pid", split_part(version(), ' ', 2) as "version",
      pg_is_in_recovery() as "inRecovery", current_setting('transaction_read_only')::bool as "readOnly",
      case when current_setting('transaction_read_only')::bool then
        (select source from pg_catalog.pg_settings where name = 'default_transaction_read_only') end as "readOnlySource",
      ns is not null as "hasLedgerSchema", ledger is not null as "hasLedger", log is not null as "hasRunLog",
      case when log is null or relkind in ('r', 'p') then null when relkind = 'v' then 'a view' when relkind = 'm' then 'a materialized view'
        when relkind = 'f' then 'a foreign table' when relkind = 'S' then 'a sequence' else 'another relation' end as "insteadOfRunLog",
      has_database_privilege(current_database(), 'CREATE') as "mayCreateSchema",
      coalesce(has_schema_privilege(ns, 'CREATE'), false) as "mayCreateInLedgerSchema",
      coalesce(has_schema_privilege(ns, 'USAGE'), false) as "mayUseLedgerSchema",
      coalesce(has_schema_privilege(ns, 'USAGE') and has_table_privilege(ledger, 'SELECT') and has_table_privilege(ledger, 'INSERT')
        and (select coalesce(bool_and(case when (select c.relkind from pg_catalog.pg_class c where c.oid = d.objid) = 'S'
            then has_sequence_privilege(d.objid, 'USAGE') else true end), true) from pg_catalog.pg_depend d
          where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = ledger
            and d.classid = 'pg_catalog.pg_class'::regclass and d.deptype in ('a', 'i')), false) as "mayWriteLedger",
      coalesce(has_table_privilege(ledger, 'DELETE'), false) as "mayDeleteFromLedger",
      coalesce(has_table_privilege(ledger, 'UPDATE'), false) as "mayUpdateLedger",
      log is not null and (select count(*) from pg_catalog.pg_attribute where attrelid = log
        and attname in (${RUN_LOG_COLUMNS.map(literal).join(", ")})) < ${RUN_LOG_COLUMNS.length} as "runLogIsOld",
      coalesce(pg_has_role(relowner, 'USAGE'), false) as "mayAlterRunLog",
      coalesce(has_table_privilege(log, 'SELECT') and has_table_privilege(log, 'INSERT') and has_table_privilege(log, 'UPDATE'), false) as "mayWriteRunLog"
    from it`;
}

function unreadable(facts: ServerFacts, ledger: LedgerName, cause: unknown): MigratorError {
  return new MigratorError({
    code: "permission-denied",
    message: facts.hasLedger
      ? `role ${JSON.stringify(facts.role)} may not read the ledger ${ledger.schema}.${ledger.table}`
      : `role ${JSON.stringify(facts.role)} has no CREATE privilege on schema ${JSON.stringify(ledger.schema)}, which the ledger needs`,
    details: serverWords(cause),
    state: "nothing was applied",
    fix: `as its owner: ${ledgerGrants(facts, ledger)}`,
    cause,
  });
}

/** What lets a role keep this ledger. */
export function ledgerGrants({ role, hasLedger }: ServerFacts, ledger: LedgerName): string {
  const schema = identifier(ledger.schema);
  const to = `TO ${identifier(role)};`;
  const inSchema = `GRANT USAGE, CREATE ON SCHEMA ${schema} ${to}`;
  if (!hasLedger) return inSchema;
  const rows = `GRANT SELECT, INSERT, DELETE ON ${ledgerTable(ledger)} ${to}`;
  return `${inSchema} ${rows} GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${schema} ${to}`;
}

/** @param cause where PostgreSQL itself missed a column */
function notALedger(ledger: LedgerName, cause?: unknown): MigratorError {
  return new MigratorError({
    code: "not-a-ledger",
    message: `the table ${showTable(ledger)} is not a ledger of Drizzle, which has the columns id, hash and created_at`,
    details: cause === undefined ? [] : serverWords(cause),
    state: "nothing was changed",
    fix: "name the right table: --ledger-schema and --ledger-table, or `ledger` in the config file",
    cause,
  });
}

function v1Ledger(ledger: LedgerName): MigratorError {
  return new MigratorError({
    code: "v1-ledger",
    message: `the ledger ${ledger.schema}.${ledger.table} has a column "name": Drizzle v1 has converted it`,
    state: "nothing was applied",
    fix: "go on with drizzle-kit 1.x on this database; this version keeps the ledger of Drizzle 0.x",
  });
}
