import type { LedgerName } from "../config.ts";
import type { Call } from "./prepared.ts";
import { identifier, literal } from "./sql-text.ts";

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
export function insertRow(ledger: LedgerName, hash: string, when: number): Call {
  const sql = (values: readonly string[]) =>
    `insert into ${ledgerTable(ledger)} (hash, created_at) values (${values.join(", ")})`;
  return {
    template: { name: "insert", types: ["text", "bigint"], sql },
    values: [literal(hash), String(when)],
  };
}

/** Something that a ledger may say, for the server to find out and for us. */
export interface LedgerCondition {
  readonly test: Call;
  isTrue(rows: readonly LedgerRow[]): boolean;
}

/** Files of one text have one hash: that it is there says nothing of the second of them. */
export function hasRows(ledger: LedgerName, hash: string, count: number): LedgerCondition {
  const rows = (value = "") => `from ${ledgerTable(ledger)} where hash = ${value}`;
  const isTrue: LedgerCondition["isTrue"] = (all) => all.filter((row) => row.hash === hash).length >= count;
  // An aggregate takes longer, and is needed for next to no file.
  if (count === 1) {
    const sql = ([value]: readonly string[]) => `exists (select ${rows(value)})`;
    return { test: { template: { name: "has", types: ["text"], sql }, values: [literal(hash)] }, isTrue };
  }
  const sql = ([value, number]: readonly string[]) => `(select count(*) ${rows(value)}) >= ${number}`;
  const template = { name: "has_many", types: ["text", "bigint"], sql };
  return { test: { template, values: [literal(hash), String(count)] }, isTrue };
}

export function lacksRow(ledger: LedgerName, id: number): LedgerCondition {
  const sql = ([value]: readonly string[]) =>
    `not exists (select from ${ledgerTable(ledger)} where id = ${value})`;
  return {
    test: { template: { name: "lacks", types: ["bigint"], sql }, values: [String(id)] },
    isTrue: (rows) => rows.every((row) => row.id !== id),
  };
}

export function deleteRow(ledger: LedgerName, id: number): Call {
  const sql = ([value]: readonly string[]) => `delete from ${ledgerTable(ledger)} where id = ${value}`;
  return { template: { name: "delete", types: ["bigint"], sql }, values: [String(id)] };
}

/** For `repair` alone: rows are otherwise never changed. */
export function updateRowSql(ledger: LedgerName, id: number, hash: string, when: number): string {
  return `update ${ledgerTable(ledger)} set hash = '${hash.replaceAll("'", "''")}', created_at = ${when} where id = ${id}`;
}
