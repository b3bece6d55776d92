import type { Session } from "../../database/session.ts";
import type { Relation, SchemaFacts } from "../facts.ts";

/** What the target's statistics and catalog say of its tables, by the OIDs of the copy. */
export interface TargetFacts {
  /** Rows, those of its parts included; 0 where they were never counted. */
  rowsOf(table: number): number;
  /** Tables that a table is a part of, or inherits from, however far up. */
  ancestorsOf(table: number): readonly number[];
  hasRelation(relation: Pick<Relation, "schema" | "name">): boolean;
  /** Whether something has the name there that no applied migration has given. */
  isUnknownName(relation: Pick<Relation, "schema" | "name">): boolean;
  hasColumn(table: Pick<Relation, "schema" | "name">, column: string): boolean;
  /** A relation as it is before the plan. */
  tableBefore(oid: number): Relation | undefined;
}

interface TableRow {
  readonly schema: string;
  readonly name: string;
  readonly kind: string;
  /** Names; null for what has none. */
  readonly columns: readonly string[] | null;
  readonly rows: number;
  readonly parentSchema: string | null;
  readonly parent: string | null;
}

/** @param copy for what the plan itself makes a part of another */
export async function readTarget(
  target: Session,
  copy: Session,
  { relations }: SchemaFacts,
): Promise<TargetFacts> {
  const [own, planned] = await Promise.all([
    target.unsafe<readonly TableRow[]>(`
      select n.nspname as schema, c.relname as name, c.relkind as kind,
        (select json_agg(a.attname) from pg_catalog.pg_attribute a
          where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'm', 'v', 'f')) as columns, greatest(c.reltuples, 0)::float8 as rows,
        pn.nspname as "parentSchema", p.relname as parent
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        left join pg_catalog.pg_inherits i on i.inhrelid = c.oid
        left join pg_catalog.pg_class p on p.oid = i.inhparent left join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
      where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') and c.relpersistence <> 't'`),
    copy.unsafe<readonly { readonly child: number; readonly parent: number }[]>(
      "select inhrelid::bigint::float8 as child, inhparent::bigint::float8 as parent from pg_catalog.pg_inherits",
    ),
  ]);
  const oids = new Map([...relations.values()].map((relation) => [keyOf(relation), relation.oid]));
  const parents = new Map<number, number>(planned.map(({ child, parent }) => [child, parent]));
  const rows = new Map<number, number>();
  const columns = new Map(own.map((row) => [keyOf(row), new Set(row.columns)]));
  for (const row of own.filter(({ kind }) => ["r", "p", "m"].includes(kind))) {
    const oid = oids.get(keyOf(row));
    const parent = oids.get(keyOf({ schema: row.parentSchema ?? "", name: row.parent ?? "" }));
    if (oid !== undefined) rows.set(oid, row.rows);
    if (oid !== undefined && parent !== undefined) parents.set(oid, parent);
  }
  const ancestorsOf = (table: number): readonly number[] => {
    const parent = parents.get(table);
    return parent === undefined ? [] : [parent, ...ancestorsOf(parent)];
  };
  const rowsOf = (table: number) =>
    [...rows].reduce(
      (sum, [oid, count]) =>
        oid === table || isPart(oid, table, ancestorsOf, relations) ? sum + count : sum,
      0,
    );
  return {
    rowsOf,
    ancestorsOf,
    hasRelation: (relation) => columns.has(keyOf(relation)),
    isUnknownName: (relation) => columns.has(keyOf(relation)) && !oids.has(keyOf(relation)),
    hasColumn: (table, column) => columns.get(keyOf(table))?.has(column) === true,
    tableBefore: (oid) => relations.get(oid),
  };
}

/** A partitioned table's statistics, where it has any, count the rows of its partitions once more. */
function isPart(
  oid: number,
  table: number,
  ancestorsOf: (table: number) => readonly number[],
  relations: SchemaFacts["relations"],
): boolean {
  return (
    relations.get(oid)?.kind === "r" && relations.get(table)?.kind === "p" && ancestorsOf(oid).includes(table)
  );
}

function keyOf({ schema, name }: Pick<Relation, "schema" | "name">): string {
  return JSON.stringify([schema, name]);
}
