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

/** All indexes of a table; none where the table does not exist. */
export async function readIndexes(database: Database, table: TableName): Promise<readonly TableIndex[]> {
  return database.sql.unsafe<TableIndex[]>(`
    select c.oid::bigint::float8 as oid, n.nspname as schema, c.relname as name, i.indisvalid as valid,
      exists (select from pg_catalog.pg_stat_progress_create_index p where p.index_relid = c.oid) as building
    from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where i.indrelid = to_regclass(${literal(qualified(table))}) order by c.oid`);
}

/** The table that an index belongs to, if there is such an index. */
export async function findTableOfIndex(database: Database, index: TableName): Promise<TableName | undefined> {
  const [row] = await database.sql.unsafe<{ schema: string; table: string }[]>(`
    select n.nspname as schema, c.relname as table from pg_catalog.pg_index i
      join pg_catalog.pg_class c on c.oid = i.indrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where i.indexrelid = to_regclass(${literal(qualified(index))})`);
  return row && [row.schema, row.table];
}

/** Without a lock that stops readers or writers. */
export async function dropIndexConcurrently(database: Database, index: TableIndex): Promise<void> {
  await database.sql.unsafe(`drop index concurrently if exists ${qualified([index.schema, index.name])}`);
}

/** Whether a relation of this name exists. */
export async function relationExists(database: Database, name: TableName): Promise<boolean> {
  const [row] = await database.sql.unsafe<{ found: boolean }[]>(
    `select to_regclass(${literal(qualified(name))}) is not null as found`,
  );
  return row?.found ?? false;
}

/** `attached`, `pending` (a cut DETACH … CONCURRENTLY) or `detached`. */
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
