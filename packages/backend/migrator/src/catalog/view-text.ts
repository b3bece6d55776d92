import type { CatalogObject } from "./catalog.ts";

/** What the parser gives: nodes in nodes. */
type Node = Readonly<Record<string, unknown>>;

/**
 * Views as PostgreSQL 16 and newer write them. Before, every column of a view's query had its table's name in front of
 * it; since, none has where there is only one table. Needs the parser, so it is only called for older servers.
 */
export async function withNewerViews(objects: readonly CatalogObject[]): Promise<readonly CatalogObject[]> {
  if (!objects.some(isView)) return objects;
  const { parse } = await import("libpg-query");
  const newer = async (object: CatalogObject) => {
    const def = String(object.properties.def);
    // A text that the parser does not take stays as it is.
    const tree = await parse(def).catch(() => undefined);
    const select = tree?.stmts?.[0]?.stmt as Node | undefined;
    return {
      ...object,
      properties: { ...object.properties, def: unqualified(def, select?.SelectStmt as Node) },
    };
  };
  return Promise.all(objects.map((object) => (isView(object) ? newer(object) : object)));
}

function isView({ id }: CatalogObject): boolean {
  return id.kind === "view" || id.kind === "materializedView";
}

function unqualified(def: string, select: Node | undefined): string {
  const from = select?.fromClause as readonly Node[] | undefined;
  const isPlain = select?.op === undefined || select.op === "SETOP_NONE";
  if (!isPlain || from?.length !== 1 || from[0]?.JoinExpr !== undefined) return def;
  // The parser counts bytes.
  let text = Buffer.from(def);
  for (const at of [...qualifiedColumns(select)].sort((a, b) => b - a)) {
    const [name] = /^(?:"(?:[^"]|"")*"|[^\s."]+)\./.exec(text.subarray(at).toString()) ?? [""];
    text = Buffer.concat([text.subarray(0, at), text.subarray(at + Buffer.byteLength(name))]);
  }
  return text.toString();
}

/** Where `table.column` begins in this query, but not in those within it: there the name stays. */
function qualifiedColumns(node: unknown): readonly number[] {
  if (Array.isArray(node)) return node.flatMap(qualifiedColumns);
  if (node === null || typeof node !== "object") return [];
  const found = (node as Node).ColumnRef as
    | { readonly fields: readonly Node[]; readonly location?: number }
    | undefined;
  if (found) {
    const names = found.fields.every((field) => field.String !== undefined);
    return names && found.fields.length === 2 ? [found.location ?? 0] : [];
  }
  return Object.entries(node).flatMap(([name, inner]) =>
    name === "SelectStmt" ? [] : qualifiedColumns(inner),
  );
}
