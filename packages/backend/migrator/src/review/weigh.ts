import type { Session } from "../database/session.ts";
import { identifier, literal } from "../database/sql-text.ts";
import { SESSION_IN_WORDS } from "../database/watch.ts";
import type { Relation } from "./facts.ts";
import { conflict, type LockMode, modeOf } from "./locks.ts";

/** How much of the target a relation is. */
export interface RelationWeight {
  /** As the server estimates; counted where it does not know and the table is small. Null where it may not be known. */
  readonly rows: number | null;
  /** The rows' own file. */
  readonly bytes: number;
  /** With its indexes and long values. */
  readonly totalBytes: number;
}

/** A session of the target that is in a statement's way now, or would keep it waiting. */
export interface Occupant {
  /** `pid 4711 (api, user app, active for 12 s: select …)` */
  readonly session: string;
  /** What it holds on which table; undefined for a transaction that has been open for long. */
  readonly holds: { readonly oid: number; readonly mode: LockMode } | undefined;
  /** How long its transaction has been open, in s. */
  readonly openS: number;
}

/** Transactions open for longer than this are told: what builds CONCURRENTLY waits for them. In s. */
const LONG_S = 30;

/** Up to this size a table without statistics is counted, in bytes. */
const COUNTED_BYTES = 16 * 1024 * 1024;

/** Longest wait for a count, in ms. */
const COUNT_MS = 1000;

/**
 * Sizes of relations on the target, found by name.
 * @returns by the copy's OID; without those that the target lacks
 */
export async function readWeights(
  target: Session,
  relations: readonly Relation[],
): Promise<ReadonlyMap<number, RelationWeight>> {
  const tables = relations.filter(({ kind }) => ["r", "p", "m"].includes(kind));
  if (tables.length === 0) return new Map();
  // The functions for sizes wait for whoever has locked a table altogether; the catalog's own numbers do not.
  const rows = await target
    .unsafe<Weighed[]>(`set local lock_timeout = ${LOCK_MS}; ${weightsSql(tables, MEASURED)}`)
    .catch(() => target.unsafe<Weighed[]>(weightsSql(tables, REMEMBERED)));
  const weights = new Map<number, RelationWeight>();
  for (const { oid, known, ...weight } of rows) {
    const table = tables.find((one) => one.oid === oid);
    weights.set(
      oid,
      known || table === undefined ? weight : { ...weight, rows: await countRows(target, table, weight) },
    );
  }
  return weights;
}

interface Weighed extends RelationWeight {
  readonly oid: number;
  /** Whether the number of rows is. */
  readonly known: boolean;
}

/** SQL for bytes of a table `t`, of the same with all that belongs to it. */
interface Sizes {
  readonly own: string;
  readonly total: string;
}

const MEASURED: Sizes = { own: "pg_relation_size(t.relid)", total: "pg_total_relation_size(t.relid)" };

const PAGE = "current_setting('block_size')::bigint";

const REMEMBERED: Sizes = {
  own: `(l.relpages * ${PAGE})`,
  total: `((l.relpages + coalesce((select sum(ic.relpages) from pg_catalog.pg_index i join pg_catalog.pg_class ic on ic.oid = i.indexrelid
    where i.indrelid = l.oid), 0)) * ${PAGE})`,
};

/** Longest wait for a table that somebody has locked, in ms: others would wait behind it. */
const LOCK_MS = 500;

function weightsSql(tables: readonly Relation[], { own, total }: Sizes): string {
  return `
    select w.oid::float8 as oid, sum(${own})::float8 as bytes, sum(${total})::float8 as "totalBytes",
      round(sum(case when ${own} = 0 then 0 when l.reltuples > 0 and l.relpages > 0 then l.reltuples * (${own} / ${PAGE}) / l.relpages
        else coalesce(s.n_live_tup, 0) end))::float8 as rows,
      bool_and(${own} = 0 or coalesce(s.n_live_tup, 0) > 0 or l.reltuples > 0) as known
    from (values ${valuesOf(tables)}) w (oid, nspname, relname)
      join pg_catalog.pg_namespace n on n.nspname = w.nspname
      join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.relname
      cross join lateral (select relid from pg_catalog.pg_partition_tree(c.oid) where isleaf union select c.oid where c.relkind <> 'p') t
      join pg_catalog.pg_class l on l.oid = t.relid left join pg_catalog.pg_stat_all_tables s on s.relid = t.relid
    group by 1`;
}

async function countRows(
  target: Session,
  { schema, name }: Relation,
  { bytes }: RelationWeight,
): Promise<number | null> {
  if (bytes > COUNTED_BYTES) return null;
  const table = `${identifier(schema)}.${identifier(name)}`;
  const bounded = `set local statement_timeout = ${COUNT_MS}; set local lock_timeout = ${COUNT_MS / 4};`;
  const [row] = await target
    .unsafe<{ rows: number }[]>(`${bounded} select count(*)::float8 as rows from ${table}`)
    .catch(() => []);
  return row?.rows ?? null;
}

/** Who holds something on these tables now, and whose transaction has been open for long. */
export async function readOccupants(
  target: Session,
  relations: readonly Relation[],
): Promise<readonly Occupant[]> {
  const tables = relations.length === 0 ? "(0, '', '')" : valuesOf(relations);
  const rows = await target.unsafe<
    { session: string; oid: number | null; mode: string | null; openS: number }[]
  >(`
    with w as materialized (
      select v.oid, c.oid as own from (values ${tables}) v (oid, nspname, relname)
      join pg_catalog.pg_namespace n on n.nspname = v.nspname join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = v.relname)
    select ${SESSION_IN_WORDS} as session, w.oid::float8 as oid, l.mode,
      coalesce(extract(epoch from clock_timestamp() - a.xact_start), 0)::float8 as "openS"
    from pg_catalog.pg_stat_activity a
      left join (pg_catalog.pg_locks l join w on w.own = l.relation) on l.pid = a.pid and l.locktype = 'relation' and l.granted
        and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
    where a.pid <> pg_backend_pid() and a.datname = current_database() and a.backend_type in ('client backend', 'autovacuum worker')
      and (w.oid is not null or a.xact_start < clock_timestamp() - make_interval(secs => ${LONG_S}))
    order by a.xact_start`);
  return rows.map(({ session, oid, mode: name, openS }) => {
    const mode = name === null ? undefined : modeOf(name);
    return { session, openS, holds: oid === null || mode === undefined ? undefined : { oid, mode } };
  });
}

/** Those in whose way, or behind whom, a lock of this mode would be. */
export function inTheWayOf(occupants: readonly Occupant[], oid: number, mode: LockMode): readonly Occupant[] {
  return occupants.filter(({ holds }) => holds?.oid === oid && conflict(holds.mode, mode));
}

function valuesOf(relations: readonly Relation[]): string {
  return relations
    .map(({ oid, schema, name }) => `(${oid}, ${literal(schema)}, ${literal(name)})`)
    .join(", ");
}
