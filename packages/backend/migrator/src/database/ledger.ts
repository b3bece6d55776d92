import type { LedgerName } from "../config.ts";
import { identifier } from "./sql-text.ts";

/** A row of Drizzle's ledger. */
export interface LedgerRow {
  /** Order of application. */
  readonly id: number;
  readonly hash: string;
  /** The journal's `when` (ms since 1970), not a time of application; null where a hand wrote the row. */
  readonly createdAt: number | null;
}

/** `"drizzle"."__drizzle_migrations"` */
export function ledgerTable(ledger: LedgerName): string {
  return `${identifier(ledger.schema)}.${identifier(ledger.table)}`;
}

/** Whole rows: a column called `name` tells a ledger that Drizzle v1 has converted. */
export function readRowsSql(ledger: LedgerName): string {
  return `select * from ${ledgerTable(ledger)} order by id`;
}

export function parseRows(rows: readonly Readonly<Record<string, unknown>>[]): readonly LedgerRow[] {
  return rows.map((row) => ({
    id: Number(row.id),
    hash: String(row.hash),
    createdAt: row.created_at === null ? null : Number(row.created_at),
  }));
}

/** Exactly the table that Drizzle makes. */
export function createLedgerSql(ledger: LedgerName): string {
  return `create table ${ledgerTable(ledger)} (id serial primary key, hash text not null, created_at bigint)`;
}

/** @param hash hex sha256  @param when ms since 1970 */
export function insertRowSql(ledger: LedgerName, hash: string, when: number): string {
  return `insert into ${ledgerTable(ledger)} (hash, created_at) values ('${hash}', ${when})`;
}

/** Something that a ledger may say, for the server to find out and for us. */
export interface LedgerCondition {
  readonly sql: string;
  isTrue(rows: readonly LedgerRow[]): boolean;
}

/** Files of one text have one hash: that it is there says nothing of the second of them. */
export function hasRows(ledger: LedgerName, hash: string, count: number): LedgerCondition {
  const rows = `from ${ledgerTable(ledger)} where hash = '${hash}'`;
  return {
    // An aggregate takes longer to plan, in each of many small transactions.
    sql: count === 1 ? `exists (select ${rows})` : `(select count(*) ${rows}) >= ${count}`,
    isTrue: (rows) => rows.filter((row) => row.hash === hash).length >= count,
  };
}

export function lacksRow(ledger: LedgerName, id: number): LedgerCondition {
  return {
    sql: `not exists (select from ${ledgerTable(ledger)} where id = ${id})`,
    isTrue: (rows) => rows.every((row) => row.id !== id),
  };
}

export function deleteRowSql(ledger: LedgerName, id: number): string {
  return `delete from ${ledgerTable(ledger)} where id = ${id}`;
}

/** For `repair` alone: rows are otherwise never changed. */
export function updateRowSql(ledger: LedgerName, id: number, hash: string, when: number): string {
  return `update ${ledgerTable(ledger)} set hash = '${hash.replaceAll("'", "''")}', created_at = ${when} where id = ${id}`;
}
