import type { Session } from "../database/session.ts";
import { identifier, literal } from "../database/sql-text.ts";

/** A table as PostgreSQL's catalog has it now. */
export interface TableFacts {
  /** `r` a table, `p` a partitioned one; anything else holds no rows of its own. */
  readonly kind: string;
  readonly columns: readonly ColumnFacts[];
  /** Columns of unique indexes that hold no NULL, the primary key's first. */
  readonly keys: readonly (readonly string[])[];
  readonly sequences: readonly { readonly column: string; readonly sequence: string }[];
  readonly foreignKeys: readonly ForeignKey[];
  /** That a person made and that fire. */
  readonly triggers: readonly { readonly name: string; readonly always: boolean }[];
}

export interface ColumnFacts {
  readonly name: string;
  /** As format_type gives it, with its schema where that is not pg_catalog. */
  readonly type: string;
  readonly generated: boolean;
  /** `a` always, `d` by default, or empty. */
  readonly identity: string;
  readonly notNull: boolean;
  /** SQL. */
  readonly default: string | null;
}

export interface ForeignKey {
  readonly name: string;
  /** Schema and table that it refers to. */
  readonly to: TableName;
  readonly deferrable: boolean;
  /** Whether it came with the table that this one is a partition of. */
  readonly inherited: boolean;
}

export interface TableName {
  readonly schema: string;
  readonly table: string;
}

export function tableSql({ schema, table }: TableName): string {
  return `${identifier(schema)}.${identifier(table)}`;
}

/** Rows of the table itself: of one that others inherit from without being its partitions, not those of the others. */
export function rowsOf(name: TableName, { kind }: TableFacts): string {
  return kind === "p" ? tableSql(name) : `only ${tableSql(name)}`;
}

export function columnList(names: readonly string[], prefix = ""): string {
  return names.map((name) => `${prefix}${identifier(name)}`).join(", ");
}

/**
 * Settings, for the transaction, under which COPY writes and reads values whole and the same everywhere; those of pg_dump.
 * With an empty search_path, names of types and of what reg* values point to carry their schema. Row security would else
 * leave rows out in silence: so it makes the COPY fail. Reading a file back takes its time, and the session idles meanwhile.
 */
export const COPY_SETTINGS = [
  "datestyle = 'ISO, YMD'",
  "intervalstyle = 'postgres'",
  "extra_float_digits = 3",
  "bytea_output = 'hex'",
  "timezone = 'UTC'",
  "xmloption = 'content'",
  "search_path = ''",
  "row_security = off",
  "statement_timeout = 0",
  "idle_in_transaction_session_timeout = 0",
]
  .map((setting) => `set local ${setting}`)
  .join("; ");

/** Undefined where there is no such table. Wants COPY_SETTINGS. */
export async function findTable(sql: Session, name: TableName): Promise<TableFacts | undefined> {
  const [row] = await sql.unsafe<TableFacts[]>(factsSql(name));
  return row;
}

function factsSql(name: TableName): string {
  const list = (select: string) => `coalesce((${select}), '[]'::json)`;
  return `select c.relkind as kind,
    ${list(`select json_agg(json_build_object('name', attname, 'type', format_type(atttypid, atttypmod), 'generated', attgenerated <> '',
        'identity', attidentity, 'notNull', attnotnull, 'default', pg_get_expr(adbin, adrelid)) order by attnum)
      from pg_catalog.pg_attribute left join pg_catalog.pg_attrdef on adrelid = attrelid and adnum = attnum
      where attrelid = c.oid and attnum > 0 and not attisdropped`)} as columns,
    ${list(`select json_agg(names order by indisprimary desc, indnkeyatts, indexrelid)
      from (select i.*, (select json_agg(a.attname order by k.ord) from unnest(i.indkey) with ordinality k (attnum, ord)
          join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum where k.ord <= i.indnkeyatts) as names
        from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
          and not exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum = any(i.indkey) and not a.attnotnull)) keys`)} as keys,
    ${list(`select json_agg(json_build_object('column', a.attname, 'sequence', s.oid::regclass::text) order by a.attnum)
      from (select refobjsubid as number, objid as sequence from pg_catalog.pg_depend
          where classid = 'pg_class'::regclass and refclassid = 'pg_class'::regclass and refobjid = c.oid and refobjsubid > 0 and deptype in ('a', 'i')
        union select ad.adnum, d.refobjid from pg_catalog.pg_attrdef ad join pg_catalog.pg_depend d on d.classid = 'pg_attrdef'::regclass
          and d.objid = ad.oid and d.refclassid = 'pg_class'::regclass where ad.adrelid = c.oid) uses
      join pg_catalog.pg_class s on s.oid = uses.sequence and s.relkind = 'S'
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = uses.number`)} as sequences,
    ${list(`select json_agg(json_build_object('name', k.conname, 'deferrable', k.condeferrable, 'inherited', k.conparentid <> 0,
        'to', json_build_object('schema', rn.nspname, 'table', r.relname)) order by k.conname)
      from pg_catalog.pg_constraint k join pg_catalog.pg_class r on r.oid = k.confrelid join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
      where k.conrelid = c.oid and k.contype = 'f'`)} as "foreignKeys",
    ${list(`select json_agg(json_build_object('name', tgname, 'always', tgenabled = 'A') order by tgname)
      from pg_catalog.pg_trigger where tgrelid = c.oid and not tgisinternal and tgenabled in ('O', 'A')`)} as triggers
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = ${literal(name.schema)} and c.relname = ${literal(name.table)}`;
}
