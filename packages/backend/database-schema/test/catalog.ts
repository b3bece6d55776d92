import type { Sql } from "postgres";

/** A schema as PostgreSQL's own catalogs tell it, as plain values in a fixed order; where columns stand is left out. */
export interface Catalog {
  readonly columns: readonly CatalogColumn[];
  readonly enums: readonly CatalogEnum[];
  readonly indexes: readonly CatalogIndex[];
  readonly constraints: readonly CatalogConstraint[];
}

/** A table's column; `type` and `default` as PostgreSQL writes them. */
export interface CatalogColumn {
  readonly table: string;
  readonly column: string;
  readonly type: string;
  readonly nullable: boolean;
  readonly default: string | null;
}

/** An enum with its values in their order. */
export interface CatalogEnum {
  readonly name: string;
  readonly values: readonly string[];
}

/** An index with its CREATE INDEX line; `valid` is false for what a broken concurrent build left behind. */
export interface CatalogIndex {
  readonly table: string;
  readonly name: string;
  readonly definition: string;
  readonly valid: boolean;
}

/** A constraint; `kind` is pg_constraint's letter: p, u, f, c, n, x. */
export interface CatalogConstraint {
  readonly table: string;
  readonly name: string;
  readonly kind: string;
  readonly definition: string;
  readonly validated: boolean;
}

/**
 * Reads every schema but PostgreSQL's own and `drizzle`, where the ledger lies. Names are sorted byte by byte
 * (COLLATE "C"), so that the order does not depend on the server's collation.
 */
export async function readCatalog(sql: Sql): Promise<Catalog> {
  const [columns, enums, indexes, constraints] = await Promise.all([
    readColumns(sql),
    readEnums(sql),
    readIndexes(sql),
    readConstraints(sql),
  ]);
  return { columns, enums, indexes, constraints };
}

const isOurs = (sql: Sql) => sql`n.nspname <> 'drizzle' AND n.nspname <> 'information_schema'
  AND n.nspname NOT LIKE 'pg\\_%'`;

async function readColumns(sql: Sql): Promise<CatalogColumn[]> {
  const rows = await sql<CatalogColumn[]>`
    SELECT (n.nspname || '.' || c.relname) COLLATE "C" AS table, a.attname AS column,
      format_type(a.atttypid, a.atttypmod) AS type, NOT a.attnotnull AS nullable,
      pg_get_expr(d.adbin, d.adrelid) AS default
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped AND ${isOurs(sql)}
    ORDER BY 1, 2`;
  return [...rows];
}

async function readEnums(sql: Sql): Promise<CatalogEnum[]> {
  const rows = await sql<CatalogEnum[]>`
    SELECT (n.nspname || '.' || t.typname) COLLATE "C" AS name, array_agg(e.enumlabel::text ORDER BY e.enumsortorder) AS values
    FROM pg_enum e
    JOIN pg_type t ON t.oid = e.enumtypid
    JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE ${isOurs(sql)}
    GROUP BY 1
    ORDER BY 1`;
  return [...rows];
}

async function readIndexes(sql: Sql): Promise<CatalogIndex[]> {
  const rows = await sql<CatalogIndex[]>`
    SELECT i.indrelid::regclass::text AS table, (n.nspname || '.' || c.relname) COLLATE "C" AS name,
      pg_get_indexdef(c.oid) AS definition, i.indisvalid AS valid
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE ${isOurs(sql)}
    ORDER BY 2`;
  return [...rows];
}

async function readConstraints(sql: Sql): Promise<CatalogConstraint[]> {
  const rows = await sql<CatalogConstraint[]>`
    SELECT k.conrelid::regclass::text COLLATE "C" AS table, k.conname AS name, k.contype AS kind,
      pg_get_constraintdef(k.oid) AS definition, k.convalidated AS validated
    FROM pg_constraint k
    JOIN pg_namespace n ON n.oid = k.connamespace
    WHERE k.conrelid <> 0 AND ${isOurs(sql)}
    ORDER BY 1, 2`;
  return [...rows];
}
