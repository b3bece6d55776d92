import type { Database } from "./connect.ts";
import { identifier, literal } from "./sql-text.ts";

/** An index of a table. */
export interface TableIndex {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** False for what a cut or failed concurrent build left behind, and for one that is being built. */
  readonly valid: boolean;
  /** Whether some session builds it now. */
  readonly building: boolean;
}

/** Name of a table as a statement has it: the schema, where written, before it. */
export type TableName = readonly string[];

const INDEXES = `
    select c.oid::bigint::float8 as oid, n.nspname as schema, c.relname as name, i.indisvalid as valid,
      exists (select from pg_catalog.pg_stat_progress_create_index p where p.index_relid = c.oid) as building
    from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace join pg_catalog.pg_class t on t.oid = i.indrelid`;

/** All indexes of a table; none where the table does not exist. */
export async function readIndexes(database: Database, table: TableName): Promise<readonly TableIndex[]> {
  return database.sql.unsafe<TableIndex[]>(
    `${INDEXES} where t.oid = to_regclass(${literal(qualified(table))}) order by c.oid`,
  );
}

/**
 * INVALID indexes that a cut REINDEX CONCURRENTLY left: it builds beside the old index under its name with a suffix, and
 * gives the old one another before it drops it; also those of the table's TOAST table.
 * @param target an index or a table; undefined for all of the database, as a reindexed schema's tables may have moved
 */
export async function readReindexLeftovers(
  database: Database,
  target: { readonly isIndex: boolean; readonly name: TableName } | undefined,
): Promise<readonly TableIndex[]> {
  const invalid = "not i.indisvalid and c.relname ~ '_cc(new|old)[0-9]*$'";
  if (target === undefined)
    return database.sql.unsafe<TableIndex[]>(`${INDEXES} where ${invalid} order by c.oid`);
  const named = `to_regclass(${literal(qualified(target.name))})`;
  const table = target.isIndex
    ? `(select indrelid from pg_catalog.pg_index where indexrelid = ${named})`
    : named;
  return database.sql.unsafe<TableIndex[]>(`${INDEXES} where ${invalid}
    and (t.oid = ${table} or t.oid = (select reltoastrelid from pg_catalog.pg_class where oid = ${table})) order by c.oid`);
}

/** Without a lock that stops readers or writers. */
export async function dropIndexConcurrently(database: Database, index: TableIndex): Promise<void> {
  await database.sql.unsafe(`drop index concurrently if exists ${qualified([index.schema, index.name])}`);
}

/** The oid of each relation that exists. */
export async function readRelations(
  database: Database,
  names: readonly TableName[],
): Promise<readonly number[]> {
  const found = names.map((name) => `(to_regclass(${literal(qualified(name))})::oid)`);
  return readOids(
    database,
    `select oid from (values ${found.join(", ")}) as named (oid) where oid is not null`,
  );
}

/** The database's oid; none where there is no database of that name. */
export async function readDatabases(database: Database, name: string): Promise<readonly number[]> {
  return readOids(database, `select oid from pg_catalog.pg_database where datname = ${literal(name)}`);
}

async function readOids({ sql }: Database, text: string): Promise<readonly number[]> {
  const rows = await sql.unsafe<{ oid: number }[]>(
    `select oid::bigint::float8 as oid from (${text}) as found`,
  );
  return rows.map(({ oid }) => oid);
}

/** `attached`, `pending` (a cut DETACH … CONCURRENTLY) or `detached`, which is also what does not exist. */
export async function detachState(
  database: Database,
  partition: TableName,
): Promise<"attached" | "pending" | "detached"> {
  const [row] = await database.sql.unsafe<{ pending: boolean }[]>(
    `select inhdetachpending as pending from pg_catalog.pg_inherits where inhrelid = to_regclass(${literal(qualified(partition))})`,
  );
  if (row === undefined) return "detached";
  return row.pending ? "pending" : "attached";
}

export function qualified(name: TableName): string {
  return name.map(identifier).join(".");
}
