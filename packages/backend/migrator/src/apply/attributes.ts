import type { LedgerName } from "../config.ts";
import type { Rows } from "../database/batch.ts";
import { literal } from "../database/sql-text.ts";

/** A column; number 0 stands for its table. */
export interface Attribute {
  readonly relation: number;
  /** Table that this one is a partition of. */
  readonly parent: number | undefined;
  readonly schema: string;
  readonly table: string;
  readonly number: number;
  readonly column: string;
  /** In words, and as PostgreSQL's own numbers: a type that was made anew under its name is another. */
  readonly type: string;
  readonly typeKey: string;
  readonly generated: boolean;
}

/** By relation and number, which stay when names change. */
export type Attributes = ReadonlyMap<string, Attribute>;

/**
 * Every column of every table that can hold rows, by identity (not by name); column 0 stands for the table itself. Of
 * partitions the tables alone: their columns go with those of the table that they are part of.
 */
export function attributesSql(ledger: LedgerName): string {
  return `select c.oid::bigint::text as relation, n.nspname as schema, c.relname as "table", coalesce(a.attnum, 0) as number, coalesce(a.attname, '') as "column",
      coalesce(format_type(a.atttypid, a.atttypmod), '') as type, format('%s.%s', a.atttypid, a.atttypmod) as "typeKey", a.generated,
      (select inhparent::bigint::text from pg_catalog.pg_inherits where inhrelid = c.oid and c.relispartition) as parent
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      cross join lateral (select 0 as attnum, '' as attname, null as atttypid, null as atttypmod, false as generated union all
        select attnum, attname, atttypid, atttypmod, attgenerated <> '' from pg_catalog.pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped and not c.relispartition) a
    where c.relkind in ('r', 'p') and c.relpersistence <> 't'
      and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', ${literal(ledger.schema)})
    order by n.nspname, c.relname, a.attnum`;
}

export function parseAttributes(rows: Rows): Attributes {
  return new Map(
    rows.map((row) => [
      `${row.relation}.${row.number}`,
      {
        relation: Number(row.relation),
        parent: row.parent === null ? undefined : Number(row.parent),
        schema: String(row.schema),
        table: String(row.table),
        number: Number(row.number),
        column: String(row.column),
        type: String(row.type),
        typeKey: String(row.typeKey),
        generated: row.generated === true || row.generated === "t",
      },
    ]),
  );
}
