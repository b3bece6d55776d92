import { identifier, literal } from "../database/sql-text.ts";
import type { CatalogObject } from "./catalog.ts";
import type { Excerpt } from "./delta.ts";
import { changesParent } from "./inherited.ts";
import { qualified } from "./own-sql.ts";

/** Two states of which the planner makes better SQL, and what is to be run before it. */
export interface Eased {
  readonly first: readonly string[];
  readonly before: Excerpt;
  readonly after: Excerpt;
}

/**
 * For two changes of a column pg-delta knows nothing but to drop it and add it again, and for a renamed enum value nothing
 * but to rebuild the type, although PostgreSQL has statements that keep what is there.
 * @param old what is changed, as it was
 */
export function eased(before: Excerpt, after: Excerpt, old: ReadonlyMap<string, CatalogObject>): Eased {
  const first: string[] = [];
  const earlier = new Map<string, CatalogObject>();
  const later = new Map<string, CatalogObject>();
  const generated = new Map(
    before.objects
      .filter(({ id, properties }) => id.kind === "column" && properties.generatedExpr !== null)
      .map((object) => [object.key, object]),
  );
  for (const is of after.objects) {
    const was = old.get(is.key);
    if (!was) continue;
    if (is.id.kind === "type") {
      const renames = renamesBetween(was, is);
      first.push(...renames);
      if (renames.length > 0)
        earlier.set(is.key, withProperties(was, { values: is.properties.values ?? [] }));
    }
    if (is.id.kind !== "column") continue;
    let start = was;
    if (was.properties.generatedExpr !== null && is.properties.generatedExpr === null) {
      first.push(`ALTER TABLE ${tableOf(was)} ALTER COLUMN ${identifier(was.id.name ?? "")} DROP EXPRESSION`);
      start = withProperties(start, { generatedExpr: null });
    }
    if (was.properties.collation !== is.properties.collation) {
      const collation = is.properties.collation ?? 'pg_catalog."default"';
      // Seen as another type, the collation is changed where the column is.
      later.set(is.key, withProperties(is, { type: `${is.properties.type} COLLATE ${collation}` }));
      start = withProperties(start, { collation: is.properties.collation ?? null });
    }
    earlier.set(is.key, start);
    if (was.properties.type === is.properties.type) continue;
    // PostgreSQL refuses another type below a generated column, so that one is made anew.
    for (const [user, needed] of before.dependencies) {
      const column = needed === is.key ? generated.get(user) : undefined;
      if (column)
        earlier.set(user, withProperties(column, { generatedExpr: `${column.properties.generatedExpr} ` }));
    }
  }
  return { first, before: replaced(before, earlier), after: replaced(after, later) };
}

/** pg-delta would drop the table to move it into a partitioned one, out of it, or to other bounds. */
export function partitionSql(
  was: CatalogObject | undefined,
  is: CatalogObject | undefined,
): readonly string[] {
  if (was?.id.kind !== "table" || !is || was.properties.partitionBound === is.properties.partitionBound)
    return [];
  const table = qualified(is.id.schema, is.id.name);
  const parentOf = ({ properties }: CatalogObject) => {
    const parent = properties.parentTable as unknown as Parent;
    return qualified(parent.schema, parent.name);
  };
  const isBound = ({ properties }: CatalogObject) => (properties.partitionBound ?? null) !== null;
  return [
    ...(isBound(was) ? [`ALTER TABLE ${parentOf(was)} DETACH PARTITION ${table}`] : []),
    ...(isBound(is)
      ? [`ALTER TABLE ${parentOf(is)} ATTACH PARTITION ${table} ${is.properties.partitionBound}`]
      : []),
  ];
}

/** pg-delta would drop the table to give it another parent. */
export function inheritanceSql(
  was: CatalogObject | undefined,
  is: CatalogObject | undefined,
): readonly string[] {
  if (!was || !is || !changesParent(was, is)) return [];
  const [from, to] = [was, is].map(({ properties }) => properties.parentTable as unknown as Parent | null);
  const table = `ALTER TABLE ${qualified(is.id.schema, is.id.name)}`;
  return [
    ...(from ? [`${table} NO INHERIT ${qualified(from.schema, from.name)}`] : []),
    ...(to ? [`${table} INHERIT ${qualified(to.schema, to.name)}`] : []),
  ];
}

interface Parent {
  readonly schema: string;
  readonly name: string;
}

/** A unique index that is there already becomes that of the key, instead of being built again. */
export function promotionSql(
  was: CatalogObject | undefined,
  is: CatalogObject | undefined,
): readonly string[] {
  if (was?.id.kind !== "index" || is?.id.kind !== "constraint" || was.properties.valid !== true) return [];
  const [, kind, nulls = "", columns = "", timing = ""] =
    /^(PRIMARY KEY|UNIQUE)( NULLS NOT DISTINCT)? (\([^()]*\))( DEFERRABLE(?: INITIALLY DEFERRED)?)?$/.exec(
      String(is.properties.def),
    ) ?? [];
  const isUnique = /^CREATE UNIQUE INDEX /.test(String(was.properties.def));
  const isEqual =
    was.parent === is.parent && String(was.properties.def).endsWith(` USING btree ${columns}${nulls}`);
  if (kind === undefined || !isUnique || !isEqual) return [];
  const name = identifier(is.id.name ?? "");
  return [`ALTER TABLE ${tableOf(is)} ADD CONSTRAINT ${name} ${kind} USING INDEX ${name}${timing}`];
}

/** A value in another's place was renamed: a rebuilt type would refuse the rows that have it. */
function renamesBetween(was: CatalogObject, is: CatalogObject): readonly string[] {
  const [from, to] = [was, is].map(({ properties }) => properties.values as readonly string[] | undefined);
  if (!from || !to || from.length !== to.length) return [];
  const pairs = from.map((value, index) => [value, to[index] ?? ""] as const).filter(([a, b]) => a !== b);
  if (pairs.some(([old, renamed]) => to.includes(old) || from.includes(renamed))) return [];
  const type = qualified(is.id.schema, is.id.name);
  return pairs.map(
    ([old, renamed]) => `ALTER TYPE ${type} RENAME VALUE ${literal(old)} TO ${literal(renamed)}`,
  );
}

function tableOf({ id }: CatalogObject): string {
  return qualified(id.schema, id.table);
}

function withProperties(object: CatalogObject, properties: CatalogObject["properties"]): CatalogObject {
  return { ...object, properties: { ...object.properties, ...properties } };
}

function replaced(excerpt: Excerpt, changes: ReadonlyMap<string, CatalogObject>): Excerpt {
  if (changes.size === 0) return excerpt;
  return { ...excerpt, objects: excerpt.objects.map((object) => changes.get(object.key) ?? object) };
}
