import { type CatalogObject, type Dependency, keyOf } from "./catalog.ts";

/** A published table needs the table, the columns of its list and those of its filter; pg-delta tells of none. */
export function publishedNeeds(objects: readonly CatalogObject[]): readonly Dependency[] {
  const published = objects.filter(({ id }) => id.kind === "publicationRel");
  const tables = new Set(
    published.map(({ id }) => keyOf({ kind: "table", schema: id.schema ?? "", name: id.table ?? "" })),
  );
  const columns = objects.filter(({ id, parent }) => id.kind === "column" && tables.has(parent ?? ""));
  return published.flatMap(({ key, id: { schema = "", table = "" }, properties }) => {
    const relation = keyOf({ kind: "table", schema, name: table });
    const listed = Array.isArray(properties.columns) ? properties.columns : [];
    const filter = String(properties.where ?? "");
    const needed = columns.filter(
      ({ id: { name = "" }, parent }) =>
        parent === relation && (listed.includes(name) || filter.includes(name)),
    );
    return [relation, ...needed.map((column) => column.key)].map((to) => [key, to] as const);
  });
}
