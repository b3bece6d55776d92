import type { LedgerName } from "../config.ts";
import { MigratorError } from "../errors.ts";
import type { Database } from "./connect.ts";
import { codeOf, serverWords } from "./failures.ts";
import { type LedgerRow, parseRows, readRowsSql } from "./ledger.ts";
import { runLogName } from "./run-log.ts";
import { literal } from "./sql-text.ts";

/** What a run needs to know of the server before it writes anything. */
export interface ServerFacts {
  readonly database: string;
  readonly role: string;
  /** e.g. "17.10" */
  readonly version: string;
  readonly inRecovery: boolean;
  readonly readOnly: boolean;
  readonly hasLedgerSchema: boolean;
  readonly hasLedger: boolean;
  readonly hasRunLog: boolean;
  readonly mayCreateSchema: boolean;
  /** Whether the role may create tables in the ledger's schema; false where there is none yet. */
  readonly mayCreateInLedgerSchema: boolean;
  readonly mayWriteLedger: boolean;
  readonly mayWriteRunLog: boolean;
}

/** Server and ledger, read in one round trip. */
export interface Inspection {
  readonly facts: ServerFacts;
  readonly ledger: readonly LedgerRow[];
}

/** @throws MigratorError `ledger-unreadable`, `v1-ledger` */
export async function inspect(database: Database, ledger: LedgerName): Promise<Inspection> {
  const [facts, rows] = await Promise.all([
    database.sql.unsafe<ServerFacts[]>(factsSql(ledger)),
    readLedger(database, ledger),
  ]);
  const [found] = facts;
  if (found === undefined) throw new Error("the server answered the inspection with no row");
  return { facts: found, ledger: rows };
}

/** The ledger's rows in the order they were written; none where the table does not exist. */
export async function readLedger(database: Database, ledger: LedgerName): Promise<readonly LedgerRow[]> {
  const rows = await database.sql.unsafe(readRowsSql(ledger)).catch((cause: unknown) => {
    // Undefined table or schema: nothing has been applied yet.
    if (["42P01", "3F000"].includes(codeOf(cause) ?? "")) return undefined;
    throw unreadable(ledger, cause);
  });
  if (rows?.columns.some((column) => column.name === "name")) throw v1Ledger(ledger);
  return rows ? parseRows(rows) : [];
}

/** How a server is shown: `127.0.0.1:5432 (PostgreSQL 17.10)`. */
export function showServer(database: Database, facts: ServerFacts): string {
  return `${database.address.host}:${database.address.port} (PostgreSQL ${facts.version})`;
}

function factsSql(ledger: LedgerName): string {
  const runLog = runLogName(ledger);
  const relation = (
    name: string,
  ) => `(select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${literal(ledger.schema)} and c.relname = ${literal(name)})`;
  return `
    select current_database() as "database", current_user as "role", split_part(version(), ' ', 2) as "version",
      pg_is_in_recovery() as "inRecovery", current_setting('transaction_read_only')::bool as "readOnly",
      ns.oid is not null as "hasLedgerSchema", ledger.oid is not null as "hasLedger", log.oid is not null as "hasRunLog",
      has_database_privilege(current_database(), 'CREATE') as "mayCreateSchema",
      coalesce(has_schema_privilege(ns.oid, 'CREATE'), false) as "mayCreateInLedgerSchema",
      coalesce(has_table_privilege(ledger.oid, 'SELECT') and has_table_privilege(ledger.oid, 'INSERT'), false) as "mayWriteLedger",
      coalesce(has_table_privilege(log.oid, 'SELECT') and has_table_privilege(log.oid, 'INSERT'), false) as "mayWriteRunLog"
    from (select ${relation(ledger.table)} as oid) ledger, (select ${relation(runLog.table)} as oid) log,
      (select (select oid from pg_catalog.pg_namespace where nspname = ${literal(ledger.schema)}) as oid) ns`;
}

function unreadable(ledger: LedgerName, cause: unknown): MigratorError {
  return new MigratorError({
    code: "ledger-unreadable",
    message: `the ledger ${ledger.schema}.${ledger.table} cannot be read`,
    details: serverWords(cause),
    state: "nothing was applied",
    fix: `as its owner: GRANT USAGE ON SCHEMA "${ledger.schema}" TO <role>; GRANT SELECT, INSERT, DELETE ON "${ledger.schema}"."${ledger.table}" TO <role>;`,
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
