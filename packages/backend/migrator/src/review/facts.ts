import type { Session } from "../database/session.ts";

/** What of a schema decides whether rows fit and what a lock means: tables with their columns, constraints and indexes. */
export interface SchemaFacts {
  /** By OID: tables, views, sequences, indexes. Temporary ones and the server's own are left out. */
  readonly relations: ReadonlyMap<number, Relation>;
  /** By OID. */
  readonly constraints: ReadonlyMap<number, Constraint>;
  /** By the index's OID. */
  readonly indexes: ReadonlyMap<number, Index>;
  /** Enum types and domains by OID. */
  readonly types: ReadonlyMap<number, UserType>;
}

export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** pg_class.relkind: r table, p partitioned, m materialized view, v view, f foreign, S sequence, i and I index. */
  readonly kind: string;
  /** The file that holds it; null for what has none. Another one means: written anew. */
  readonly file: number | null;
  /** Of an index: its table. Of a TOAST table: the table whose long values it holds. */
  readonly owner: number | null;
  /** Empty for indexes and sequences. */
  readonly columns: readonly Column[];
}

export interface Column {
  readonly number: number;
  readonly name: string;
  /** `character varying(200)` */
  readonly type: string;
  readonly typeOid: number;
  /** False where it is said (NOT VALID, from 18 on) and not yet checked. */
  readonly notNull: boolean;
  /** SQL; null for none. */
  readonly default: string | null;
  /** Whether PostgreSQL fills it: generated, or an identity. */
  readonly filled: boolean;
}

export interface Constraint {
  readonly oid: number;
  readonly name: string;
  /** pg_constraint.contype: c check, p primary key, u unique, f foreign key, x exclusion. */
  readonly type: string;
  /** 0 for a domain's. */
  readonly table: number;
  /** 0 for a table's. */
  readonly domain: number;
  readonly validated: boolean;
  /** `CHECK ((amount > 0))`, every name in it qualified. */
  readonly definition: string;
  /** Of a check, SQL; of a domain's, with VALUE in it. */
  readonly expression: string | null;
  /** Numbers of columns. */
  readonly columns: readonly number[];
  readonly referenced: number;
  readonly referencedColumns: readonly number[];
  /** MATCH FULL. */
  readonly matchFull: boolean;
}

export interface Index {
  readonly oid: number;
  readonly table: number;
  readonly unique: boolean;
  readonly primary: boolean;
  readonly exclusion: boolean;
  readonly valid: boolean;
  readonly nullsNotDistinct: boolean;
  /** btree, hash, gin, … */
  readonly method: string;
  /** Each a column's name or an expression, SQL; without those that INCLUDE adds. */
  readonly keys: readonly string[];
  /** Of a partial one, SQL. */
  readonly predicate: string | null;
  readonly definition: string;
}

export interface UserType {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** e enum, d domain */
  readonly kind: string;
  readonly labels: readonly string[];
}

/** One lock that the asking backend holds. */
export interface HeldLock {
  readonly oid: number;
  /** As pg_locks calls it. */
  readonly mode: string;
}

/** What one look at a session's own transaction tells. */
export interface Look {
  /** Of the relations that are locked more strongly than for reading, or of all. */
  readonly facts: SchemaFacts;
  readonly locks: readonly HeldLock[];
  /** How often each table was gone through in this transaction. */
  readonly scans: ReadonlyMap<number, number>;
}

/** Everything that is there. */
export function readFacts(sql: Session): Promise<Look> {
  return look(sql, "true");
}

/** What the session's own transaction has locked. */
export function readTouched(sql: Session): Promise<Look> {
  return look(
    sql,
    "c.oid in (select relation from pg_catalog.pg_locks where pid = pg_backend_pid() and locktype = 'relation' and mode <> 'AccessShareLock')",
  );
}

interface Row {
  readonly relations: readonly Relation[];
  readonly constraints: readonly Constraint[];
  readonly indexes: readonly Index[];
  readonly types: readonly UserType[];
  readonly locks: readonly HeldLock[];
  readonly scans: readonly { readonly oid: number; readonly scans: number }[];
}

/** @param which SQL condition on pg_class `c` */
async function look(sql: Session, which: string): Promise<Look> {
  // Qualified names only, so that the texts mean the same on another database; what the file set comes back afterwards.
  const [row] = await sql.unsafe<{ look: Row }[]>(`
    select set_config('migrator.search_path', current_setting('search_path'), true), set_config('search_path', '', true);
    with ${lookSql(which)}, restored as materialized (select look, set_config('search_path', current_setting('migrator.search_path'), true) from whole)
    select look from restored`);
  if (row === undefined) throw new Error("the server said nothing of its catalog");
  const { relations, constraints, indexes, types, locks, scans } = row.look;
  return {
    facts: {
      relations: byOid(relations),
      constraints: byOid(constraints),
      indexes: byOid(indexes),
      types: byOid(types),
    },
    locks,
    scans: new Map(scans.map(({ oid, scans: count }) => [oid, count])),
  };
}

function byOid<T extends { readonly oid: number }>(items: readonly T[]): ReadonlyMap<number, T> {
  return new Map(items.map((item) => [item.oid, item]));
}

function lookSql(which: string): string {
  return `
  r as materialized (
    select c.oid, n.nspname, c.relname, c.relkind, pg_relation_filenode(c.oid) as file,
      coalesce(i.indrelid, (select o.oid from pg_catalog.pg_class o where o.reltoastrelid = c.oid)) as owner
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace left join pg_catalog.pg_index i on i.indexrelid = c.oid
    where n.nspname not in ('pg_catalog', 'information_schema') and c.relpersistence <> 't' and (${which})),
  whole as materialized (select json_build_object(
    'relations', (select coalesce(json_agg(json_build_object('oid', oid::bigint, 'schema', nspname, 'name', relname, 'kind', relkind,
        'file', file::bigint, 'owner', owner::bigint, 'columns', case when relkind in ('i', 'I', 'S') then '[]'::json else
        (select coalesce(json_agg(json_build_object('number', a.attnum, 'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
          'typeOid', a.atttypid::bigint, 'notNull', a.attnotnull and not exists (
            select from pg_catalog.pg_constraint k where k.conrelid = a.attrelid and k.contype = 'n' and k.conkey = array[a.attnum] and not k.convalidated),
          'filled', a.attidentity <> '' or a.attgenerated <> '',
          'default', pg_get_expr(d.adbin, d.adrelid)) order by a.attnum), '[]')
          from pg_catalog.pg_attribute a left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
          where a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped) end)), '[]') from r),
    'constraints', (select coalesce(json_agg(json_build_object('oid', k.oid::bigint, 'name', k.conname, 'type', k.contype, 'table', k.conrelid::bigint,
        'domain', k.contypid::bigint, 'validated', k.convalidated, 'definition', pg_get_constraintdef(k.oid),
        'expression', pg_get_expr(k.conbin, k.conrelid), 'columns', coalesce(k.conkey, '{}'), 'referenced', k.confrelid::bigint,
        'referencedColumns', coalesce(k.confkey, '{}'), 'matchFull', k.confmatchtype = 'f')), '[]')
      from pg_catalog.pg_constraint k where k.contype in ('c', 'p', 'u', 'f', 'x')
        and (k.conrelid in (select oid from r) or k.contypid <> 0 and k.connamespace not in
          (select oid from pg_catalog.pg_namespace where nspname in ('pg_catalog', 'information_schema')))),
    'indexes', (select coalesce(json_agg(json_build_object('oid', i.indexrelid::bigint, 'table', i.indrelid::bigint, 'unique', i.indisunique,
        'primary', i.indisprimary, 'exclusion', i.indisexclusion, 'valid', i.indisvalid,
        'nullsNotDistinct', coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false), 'method', am.amname,
        'keys', (select json_agg(pg_get_indexdef(i.indexrelid, k, true) order by k) from generate_series(1, i.indnkeyatts) k),
        'predicate', pg_get_expr(i.indpred, i.indrelid), 'definition', pg_get_indexdef(i.indexrelid))), '[]')
      from pg_catalog.pg_index i join pg_catalog.pg_class ic on ic.oid = i.indexrelid join pg_catalog.pg_am am on am.oid = ic.relam
      where i.indrelid in (select oid from r where relkind in ('r', 'p', 'm'))),
    'types', (select coalesce(json_agg(json_build_object('oid', t.oid::bigint, 'schema', n.nspname, 'name', t.typname, 'kind', t.typtype,
        'labels', (select coalesce(json_agg(e.enumlabel order by e.enumsortorder), '[]') from pg_catalog.pg_enum e where e.enumtypid = t.oid))), '[]')
      from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
      where t.typtype in ('e', 'd') and n.nspname not in ('pg_catalog', 'information_schema')),
    'locks', (select coalesce(json_agg(json_build_object('oid', l.relation::bigint, 'mode', l.mode)), '[]') from pg_catalog.pg_locks l
      where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.mode <> 'AccessShareLock'
        and l.database = (select oid from pg_catalog.pg_database where datname = current_database())),
    'scans', (select coalesce(json_agg(json_build_object('oid', s.relid::bigint, 'scans', s.seq_scan + coalesce(s.idx_scan, 0))), '[]')
      from pg_catalog.pg_stat_xact_user_tables s where s.seq_scan > 0 or s.idx_scan > 0)) as look)`;
}
