import type { Session } from "../database/session.ts";
import { LOOK_SQL, SCANS } from "./look-sql.ts";

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
