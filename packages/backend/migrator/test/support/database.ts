import type { TestDatabase } from "@repo/test-database";
import { expect } from "vitest";
import { MigratorError } from "../../src/errors.ts";

/** A client of postgres.js, as the test database gives one. */
type Sql = TestDatabase["sql"];

export interface LedgerRow {
  readonly id: number;
  readonly hash: string;
  readonly created_at: string | null;
}

/** The ledger as PostgreSQL has it; undefined where there is none. */
export async function readLedgerRows(
  sql: Sql,
  table = "drizzle.__drizzle_migrations",
): Promise<readonly LedgerRow[] | undefined> {
  if (!(await exists(sql, table))) return undefined;
  return sql.unsafe<LedgerRow[]>(`select * from ${table} order by id`);
}

/** Whether there is a relation of this name. */
export async function exists(sql: Sql, relation: string): Promise<boolean> {
  const [row] = await sql<{ found: boolean }[]>`select to_regclass(${relation}) is not null as found`;
  return row?.found ?? false;
}

/** Everything a schema consists of, one line each: what two databases must share to be called equal. Ledgers left out. */
export async function readCatalog(sql: Sql): Promise<readonly string[]> {
  const rows = await sql<{ line: string }[]>`
    with spaces as (select oid, nspname from pg_namespace
      where nspname !~ '^pg_' and nspname not in ('information_schema', 'drizzle'))
    select 'schema ' || nspname as line from spaces
    union all select format('relation %s.%s %s owner %s acl %s', nspname, relname, relkind, relowner::regrole, relacl)
      from pg_class join spaces s on s.oid = relnamespace
    union all select format('column %s.%s.%s %s notnull %s default %s', nspname, relname, attname,
        format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid))
      from pg_attribute a join pg_class c on c.oid = attrelid join spaces s on s.oid = relnamespace
        left join pg_attrdef d on adrelid = attrelid and adnum = attnum
      where attnum > 0 and not attisdropped
    union all select format('constraint %s on %s %s', conname, conrelid::regclass, pg_get_constraintdef(c.oid))
      from pg_constraint c join spaces s on s.oid = connamespace
    union all select format('index %s valid %s', pg_get_indexdef(indexrelid), indisvalid)
      from pg_index join pg_class c on c.oid = indexrelid join spaces s on s.oid = relnamespace
    union all select format('type %s.%s %s labels %s', nspname, typname, typtype,
        (select string_agg(enumlabel, ',' order by enumsortorder) from pg_enum where enumtypid = t.oid))
      from pg_type t join spaces s on s.oid = typnamespace
    union all select format('function %s', pg_get_functiondef(p.oid))
      from pg_proc p join spaces s on s.oid = pronamespace
    order by 1`;
  return rows.map(({ line }) => line);
}

/** Names of the schemas that are not PostgreSQL's own. */
export async function readSchemas(sql: Sql): Promise<readonly string[]> {
  const rows = await sql<{ name: string }[]>`
    select nspname as name from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' order by 1`;
  return rows.map(({ name }) => name);
}

/** Names of the tables in the schema `public`. */
export async function readTables(sql: Sql): Promise<readonly string[]> {
  const rows = await sql<{ name: string }[]>`
    select tablename as name from pg_tables where schemaname = 'public' order by 1`;
  return rows.map(({ name }) => name);
}

/** A moment of a database: catalog and ledger, whole rows of the run log included. */
export async function readEverything(sql: Sql): Promise<unknown> {
  return {
    catalog: await readCatalog(sql),
    ledger: await readLedgerRows(sql),
    runs: await readLedgerRows(sql, "drizzle.__drizzle_migrations_runs"),
  };
}

/** The error that a call ends with; the test fails where it ends well or with an error of another class. */
export async function failureOf(call: Promise<unknown>): Promise<MigratorError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MigratorError);
  return error as MigratorError;
}

/** A name as PostgreSQL reads it back. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
