import { identifier } from "../database/sql-text.ts";
import type { CatalogObject, ObjectId } from "./catalog.ts";
import { qualified } from "./own-sql.ts";

/** One statement of a remedy. */
export interface Statement {
  readonly sql: string;
  /** Neither rewrites a table nor keeps others from it for longer than a moment. */
  readonly safe: boolean;
  readonly losesData: boolean;
  readonly rewrites: boolean;
}

/** Whether a relation has partitions. */
export function isPartitioned(relation: CatalogObject | undefined): boolean {
  const key = relation?.properties.partitionKey;
  return key !== null && key !== undefined;
}

/** CONCURRENTLY, except on a partitioned table, for which PostgreSQL has no such form. */
export function indexSafely(plain: Statement, verb: RegExp, partitioned: boolean): Statement {
  if (partitioned) return { ...plain, safe: false };
  return { ...plain, sql: plain.sql.replace(verb, (found) => `${found}CONCURRENTLY `), safe: true };
}

/** A constraint that is checked without keeping others from the table. */
export function constraintSafely(
  { id, properties }: CatalogObject,
  parent: CatalogObject | undefined,
  plain: Statement,
): readonly Statement[] {
  const type = String(properties.type);
  const def = String(properties.def);
  // A domain's, which PostgreSQL checks at once or not at all.
  if (parent?.id.kind !== "table") return [plain];
  if (properties.validated === false) return [plain];
  if (type === "p" || type === "u") return keySafely(id, def, parent, plain);
  if (type === "x" || (type === "f" && isPartitioned(parent))) return [{ ...plain, safe: false }];
  const table = `ALTER TABLE ${qualified(id.schema, id.table)}`;
  const name = identifier(id.name ?? "");
  if (/ NOT ENFORCED$/.test(def)) return [plain];
  return [
    { ...plain, sql: `${table} ADD CONSTRAINT ${name} ${def} NOT VALID`, safe: true },
    { ...plain, sql: `${table} VALIDATE CONSTRAINT ${name}`, safe: true },
  ];
}

/** The index of a key is built on the side, and only then made the constraint's. */
function keySafely(id: ObjectId, def: string, parent: CatalogObject, plain: Statement): readonly Statement[] {
  const [, kind, nulls, columns, timing = ""] =
    /^(PRIMARY KEY|UNIQUE)( NULLS NOT DISTINCT)? (\(.*\))( DEFERRABLE(?: INITIALLY DEFERRED)?)?$/s.exec(
      def,
    ) ?? [];
  // With options of its index, or WITHOUT OVERLAPS, it has no such form, or one that is too rare to be written here.
  const plainOnly =
    columns === undefined || / WITH \(| WITHOUT OVERLAPS/.test(columns) || isPartitioned(parent);
  if (plainOnly) return [{ ...plain, safe: false }];
  const table = qualified(id.schema, id.table);
  const name = identifier(id.name ?? "");
  const index = `CREATE UNIQUE INDEX CONCURRENTLY ${name} ON ${table} ${columns}${nulls ?? ""}`;
  return [
    { ...plain, sql: index, safe: true },
    {
      ...plain,
      sql: `ALTER TABLE ${table} ADD CONSTRAINT ${name} ${kind} USING INDEX ${name}${timing}`,
      safe: true,
    },
  ];
}

/** A valid CHECK spares SET NOT NULL the look at every row under its lock (PostgreSQL 12 and newer). */
export function notNullSafely(plain: Statement): readonly Statement[] {
  const [, table, column] = /^(ALTER TABLE .+) ALTER COLUMN (".+"|\S+) SET NOT NULL$/s.exec(plain.sql) ?? [];
  if (table === undefined) return [plain];
  const name = identifier("migrator_not_null");
  return [
    { ...plain, sql: `${table} ADD CONSTRAINT ${name} CHECK (${column} IS NOT NULL) NOT VALID` },
    { ...plain, sql: `${table} VALIDATE CONSTRAINT ${name}` },
    plain,
    { ...plain, sql: `${table} DROP CONSTRAINT ${name}` },
  ];
}

/** A column without a default of which rows must have a value cannot be added whole: they have none yet, and nobody here knows any. */
export function columnSafely(plain: Statement): readonly Statement[] {
  const [, added, table, column] =
    /^((ALTER TABLE .+) ADD COLUMN ("(?:[^"]|"")+") (?!.* (?:DEFAULT|GENERATED) ).+) NOT NULL$/s.exec(
      plain.sql,
    ) ?? [];
  if (added === undefined) return [plain];
  const hint = "-- rows that are there need values before this runs";
  return [
    { ...plain, sql: added },
    { ...plain, sql: `${hint}\n${table} ALTER COLUMN ${column} SET NOT NULL`, safe: false },
  ];
}
