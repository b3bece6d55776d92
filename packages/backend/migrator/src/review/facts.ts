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
  /** ENABLE ROW LEVEL SECURITY. */
  readonly rowSecurity: boolean;
  /** How many policies it has. */
  readonly policies: number;
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
  /** Of the relations that have changed since the look before, or of all. */
  readonly facts: SchemaFacts;
  /** How a look at changes tells of what is gone; undefined for a look at everything. */
  readonly rest: Rest | undefined;
  /** On relations that were there at the first look. */
  readonly locks: readonly HeldLock[];
  /** How often each locked table, or an index of it, was gone through; counted on from transaction to transaction. */
  readonly scans: ReadonlyMap<number, number>;
  /** For the look after it. */
  readonly mark: Mark;
}

/** OIDs, of what nobody can change without a lock on its relation. */
export interface Rest {
  readonly locked: ReadonlySet<number>;
  /** Locked relations that are not there any more. */
  readonly gone: ReadonlySet<number>;
  /** Constraints that are there, of locked tables and of domains. */
  readonly constraints: ReadonlySet<number>;
}

/** What a look has seen. */
export interface Mark {
  /** The youngest transaction that has changed a row of the catalog, or part of one: each savepoint has a number. */
  readonly xid: string;
  /** The largest OID of a relation at the first look. */
  readonly lastOid: number;
}

/** Everything that is there. @param first the mark of the first look, where this is another */
export async function readFacts(sql: Session, first?: Mark): Promise<Look> {
  return look(sql, first);
}

/**
 * What has changed since another look in the transaction that runs: to look at everything, or at all that the transaction
 * has locked, would make a file of many statements take the square of its length.
 * @param known the facts up to then
 */
export async function readChanged(sql: Session, mark: Mark, known: SchemaFacts): Promise<Look> {
  const seen = await look(sql, mark, mark.xid);
  // The name may stand in what has not changed: in constraints, defaults and columns of other tables.
  return isRenamed(known, seen.facts) ? look(sql, mark) : seen;
}

function isRenamed(known: SchemaFacts, { relations, types }: SchemaFacts): boolean {
  const hasNewName = (items: ReadonlyMap<number, Named>, old: ReadonlyMap<number, Named>) =>
    [...items].some(([oid, { schema, name }]) => {
      const was = old.get(oid);
      return was !== undefined && (was.name !== name || was.schema !== schema);
    });
  const hasNewColumnName = [...relations].some(([oid, { columns }]) => {
    const names = new Map(known.relations.get(oid)?.columns.map(({ number, name }) => [number, name]));
    return columns.some(({ number, name }) => (names.get(number) ?? name) !== name);
  });
  return hasNewColumnName || hasNewName(relations, known.relations) || hasNewName(types, known.types);
}

type Named = Pick<Relation, "schema" | "name">;

/** How often each table was gone through up to now, as far as the server has not told its statistics. */
export async function readScans(sql: Session, { lastOid }: Mark): Promise<ReadonlyMap<number, number>> {
  const rows = await sql.unsafe<{ oid: number; scans: number }[]>(`
    select * from (select oid::bigint::float8 as oid, ${SCANS}::float8 as scans from pg_catalog.pg_class s
      where relkind in ('r', 'm') and oid::bigint <= ${lastOid} and oid >= ${FIRST_USER_OID}) counted where scans > 0`);
  return new Map(rows.map(({ oid, scans }) => [oid, scans]));
}

/** Smaller OIDs are the server's own (FirstNormalObjectId). */
const FIRST_USER_OID = 16384;

/** Of a table `s`, its indexes included. */
const SCANS = `(pg_stat_get_xact_numscans(s.oid) + coalesce((
        select sum(pg_stat_get_xact_numscans(i.indexrelid)) from pg_catalog.pg_index i where i.indrelid = s.oid), 0))`;

interface Row {
  readonly relations: readonly Relation[];
  readonly constraints: readonly Constraint[];
  readonly indexes: readonly Index[];
  readonly types: readonly UserType[];
  readonly rest: Readonly<Record<keyof Rest, readonly number[]>> | null;
  readonly locks: readonly HeldLock[];
  readonly scans: readonly { readonly oid: number; readonly scans: number }[];
  readonly xid: string | null;
  /** Null but for a look at everything. */
  readonly lastOid: number | null;
}

/**
 * Puts on a copy what looks at it: a function, whose query is planned once. Qualified names only, so that the texts mean the same
 * on another database, whatever search_path a file sets.
 */
export async function installLook(sql: Session): Promise<void> {
  const create = (language: string, body: string) =>
    sql.unsafe(`create schema if not exists ${LOOK_SCHEMA}; grant usage on schema ${LOOK_SCHEMA} to public;
      create or replace function ${LOOK_SCHEMA}.look(since xid, last_oid bigint) returns json language ${language}
        set search_path = '' set plan_cache_mode = force_generic_plan as $look$ ${body} $look$;
      grant execute on function ${LOOK_SCHEMA}.look to public`);
  const query = `with ${LOOK_SQL} select look from whole`;
  // Somebody may have dropped the language; then each look is planned anew.
  await create("plpgsql", `begin return (${query}); end`).catch(() => create("sql", query));
}

/** Holds no relation, so that no look tells of it. */
const LOOK_SCHEMA = "migrator_look";

/** @param since looks at what has changed after this one; undefined at everything */
async function look(sql: Session, mark: Mark | undefined, since?: string): Promise<Look> {
  const [row] = await sql.unsafe<{ look: Row }[]>(
    `select ${LOOK_SCHEMA}.look(${since === undefined ? "null" : `'${since}'`}, ${mark?.lastOid ?? 2 ** 32 - 1}) as look`,
  );
  if (row === undefined) throw new Error("the server said nothing of its catalog");
  const { relations, constraints, indexes, types, rest, locks, scans, xid, lastOid } = row.look;
  return {
    facts: {
      relations: byOid(relations),
      constraints: byOid(constraints),
      indexes: byOid(indexes),
      types: byOid(types),
    },
    rest: rest
      ? { locked: new Set(rest.locked), gone: new Set(rest.gone), constraints: new Set(rest.constraints) }
      : undefined,
    locks,
    scans: new Map(scans.map(({ oid, scans: count }) => [oid, count])),
    mark: { xid: xid ?? mark?.xid ?? "3", lastOid: mark?.lastOid ?? lastOid ?? 0 },
  };
}

function byOid<T extends { readonly oid: number }>(items: readonly T[]): ReadonlyMap<number, T> {
  return new Map(items.map((item) => [item.oid, item]));
}

/** PostgreSQL's own schemas. */
const OWN = "('pg_catalog', 'information_schema')";

/** pg_constraint.contype of those that are told. */
const CONSTRAINT_TYPES = "('c', 'p', 'u', 'f', 'x')";

/** `since`: of which the younger rows count; `last_oid`: of the relations whose locks are told. */
const LOOK_SQL = `
  held as materialized (
    select l.relation as oid, l.mode from pg_catalog.pg_locks l
    where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.mode <> 'AccessShareLock'
      and l.database = (select oid from pg_catalog.pg_database where datname = current_database())),
  locked as materialized (
    select oid from held where since is not null
    union select c.reltoastrelid from pg_catalog.pg_class c
      where since is not null and c.reltoastrelid <> 0 and c.oid = any (array(select oid from held))),
  touched as materialized (
    select oid from locked
    union select indexrelid from pg_catalog.pg_index where indrelid = any (array(select oid from locked))),
  changed as materialized (
    select oid, xmin from pg_catalog.pg_class where since is null
    union all select * from (
      select oid, xmin from pg_catalog.pg_class where oid = any (array(select oid from touched))
      union all select attrelid, xmin from pg_catalog.pg_attribute where attrelid = any (array(select oid from touched))
      union all select adrelid, xmin from pg_catalog.pg_attrdef where adrelid = any (array(select oid from locked))
      union all select conrelid, xmin from pg_catalog.pg_constraint where conrelid = any (array(select oid from locked))
      union all select polrelid, xmin from pg_catalog.pg_policy where polrelid = any (array(select oid from locked))
      union all select unnest(array[indrelid, indexrelid]), xmin from pg_catalog.pg_index where indrelid = any (array(select oid from locked))
      union all select c.oid, n.xmin from pg_catalog.pg_namespace n join pg_catalog.pg_class c on c.relnamespace = n.oid
        where exists (select from pg_catalog.pg_namespace where age(xmin) < (select age(since)))
    ) young where age(xmin) < (select age(since))),
  toasted as materialized (
    select oid, reltoastrelid from pg_catalog.pg_class where since is null and reltoastrelid <> 0
    union all select oid, reltoastrelid from pg_catalog.pg_class where oid = any (array(select oid from locked)) and reltoastrelid <> 0),
  r as materialized (
    select t.oid, t.relname, t.relkind, t.relrowsecurity, n.nspname, pg_relation_filenode(t.oid) as file, coalesce(i.indrelid, o.oid) as owner
    from pg_catalog.pg_class t join pg_catalog.pg_namespace n on n.oid = t.relnamespace left join pg_catalog.pg_index i on i.indexrelid = t.oid
      left join toasted o on o.reltoastrelid = t.oid
    where n.nspname not in ${OWN} and t.relpersistence <> 't' and t.oid = any (array(select oid from changed))),
  own_domains as materialized (
    select oid from pg_catalog.pg_constraint
    where conrelid = 0 and contypid <> 0 and connamespace not in (select oid from pg_catalog.pg_namespace where nspname in ${OWN})),
  whole as materialized (select json_build_object(
    'relations', (select coalesce(json_agg(json_build_object('oid', oid::bigint, 'schema', nspname, 'name', relname, 'kind', relkind,
        'file', file::bigint, 'owner', owner::bigint, 'rowSecurity', relrowsecurity,
        'policies', (select count(*) from pg_catalog.pg_policy p where p.polrelid = r.oid), 'columns', case when relkind in ('i', 'I', 'S') then '[]'::json else
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
      from pg_catalog.pg_constraint k where k.contype in ${CONSTRAINT_TYPES} and (k.conrelid = any (array(select oid from r))
        or k.oid = any (array(select oid from own_domains)))),
    'indexes', (select coalesce(json_agg(json_build_object('oid', i.indexrelid::bigint, 'table', i.indrelid::bigint, 'unique', i.indisunique,
        'primary', i.indisprimary, 'exclusion', i.indisexclusion, 'valid', i.indisvalid,
        'nullsNotDistinct', coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false), 'method', am.amname,
        'keys', (select json_agg(pg_get_indexdef(i.indexrelid, k, true) order by k) from generate_series(1, i.indnkeyatts) k),
        'predicate', pg_get_expr(i.indpred, i.indrelid), 'definition', pg_get_indexdef(i.indexrelid))), '[]')
      from pg_catalog.pg_index i join pg_catalog.pg_class ic on ic.oid = i.indexrelid join pg_catalog.pg_am am on am.oid = ic.relam
        join pg_catalog.pg_class tc on tc.oid = i.indrelid
      where tc.relkind in ('r', 'p', 'm') and i.indrelid = any (array(select case when relkind in ('i', 'I') then owner else oid end from r))),
    'types', (select coalesce(json_agg(json_build_object('oid', t.oid::bigint, 'schema', n.nspname, 'name', t.typname, 'kind', t.typtype,
        'labels', (select coalesce(json_agg(e.enumlabel order by e.enumsortorder), '[]') from pg_catalog.pg_enum e where e.enumtypid = t.oid))), '[]')
      from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
      where t.typtype in ('e', 'd') and n.nspname not in ${OWN}),
    'rest', case when since is not null then json_build_object(
      'locked', (select coalesce(json_agg(oid::bigint), '[]') from touched),
      'gone', (select coalesce(json_agg(distinct oid::bigint), '[]') from held where oid not in (select oid from pg_catalog.pg_class where oid = any (array(select oid from held)))),
      'constraints', (select coalesce(json_agg(oid::bigint), '[]') from (
        select oid from pg_catalog.pg_constraint where contype in ${CONSTRAINT_TYPES} and conrelid = any (array(select oid from locked))
        union all select oid from own_domains) there)) end,
    'locks', (select coalesce(json_agg(json_build_object('oid', oid::bigint, 'mode', mode)), '[]') from held where oid::bigint <= last_oid),
    'scans', (select coalesce(json_agg(json_build_object('oid', s.oid::bigint, 'scans', ${SCANS})), '[]')
      from (select distinct h.oid from held h join pg_catalog.pg_class t on t.oid = h.oid where t.relkind in ('r', 'm') and h.oid::bigint <= last_oid) s),
    'xid', (select xmin::text from changed order by age(xmin) limit 1),
    'lastOid', case when since is null then (select max(oid::bigint) from pg_catalog.pg_class) end) as look)`;
