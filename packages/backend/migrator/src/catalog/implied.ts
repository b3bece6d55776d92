import { type CatalogObject, type Dependency, keyOf } from "./catalog.ts";

/**
 * Dependencies of which pg-delta does not tell: a published table needs the table, the columns of its list and those of its
 * filter; a statistics object needs the columns that it is made of.
 */
export function impliedNeeds(objects: readonly CatalogObject[]): readonly Dependency[] {
  const users = objects.flatMap((object) => {
    const table = tableOf(object);
    return table === null ? [] : [{ ...object, table }];
  });
  const tables = new Set(users.map(({ table }) => table));
  const columns = objects.filter(({ id, parent }) => id.kind === "column" && tables.has(parent ?? ""));
  return users.flatMap(({ key, table, properties: { columns: listed, where, def } }) => {
    // A name within another one orders two things that could come in any order.
    const text = [...(Array.isArray(listed) ? listed : []), where ?? def ?? ""].join(" ");
    const needed = columns.filter(({ id, parent }) => parent === table && text.includes(id.name ?? ""));
    return [table, ...needed.map((column) => column.key)].map((to) => [key, to] as const);
  });
}

function tableOf({ id: { kind, schema = "", table = "" }, parent }: CatalogObject): string | null {
  if (kind === "statistics") return parent;
  return kind === "publicationRel" ? keyOf({ kind: "table", schema, name: table }) : null;
}
