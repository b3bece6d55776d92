import type { Ask } from "./answers.ts";
import { type CatalogObject, canonical, keyOf } from "./catalog.ts";
import { type State, subtree } from "./state.ts";

// What a table has by itself and from its parent: INHERIT leaves it its own, which a table that was made with INHERITS
// never has. It says nothing that the parent does not.
const MERGED = `select 'column' as kind, n.nspname as schema, c.relname as table, a.attname as name
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
  where a.attislocal and a.attinhcount > 0 and not a.attisdropped
  union all select 'constraint', n.nspname, c.relname, k.conname
  from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
  where k.conislocal and k.coninhcount > 0 and k.contype = 'c'`;

/** Keys of columns and checks that their table's parent has too. */
export async function readMerged(ask: Ask): Promise<readonly string[]> {
  const rows = await ask(MERGED);
  return rows.map(({ kind, schema, table, name }) =>
    keyOf({ kind: String(kind), schema: String(schema), table: String(table), name: String(name) }),
  );
}

/** Whether a table that is no partition has another parent, or one in only one of the catalogs. */
export function changesParent(was: CatalogObject | undefined, is: CatalogObject | undefined): boolean {
  if (was?.id.kind !== "table" || is?.id.kind !== "table") return false;
  const isBound = [was, is].some(({ properties }) => (properties.partitionBound ?? null) !== null);
  return !isBound && parentText(was) !== parentText(is);
}

function parentText({ properties }: CatalogObject): string {
  return canonical(properties.parentTable ?? null);
}

/** What becomes a table's own, or its parent's, when it gets another parent: keys that are in only one of the catalogs. */
export function handedOver(key: string, expected: State, actual: State): readonly string[] {
  const states = [expected, actual];
  const inherited = new Set(states.flatMap((state) => partsOfParents(state, key)));
  return states.flatMap((state, index) =>
    [...(state.contents.get(key) ?? [])]
      .filter((part) => !states[1 - index]?.objects.has(part))
      .filter((part) => inherited.has(partName(state.objects.get(part)) ?? ""))
      .flatMap((part) => subtree(state, part)),
  );
}

function partsOfParents(state: State, key: string): readonly string[] {
  const parent = state.objects.get(key)?.properties.parentTable as { schema: string; name: string } | null;
  if (!parent) return [];
  const parentKey = keyOf({ kind: "table", ...parent });
  const parts = [...(state.contents.get(parentKey) ?? [])].flatMap(
    (part) => partName(state.objects.get(part)) ?? [],
  );
  return [...parts, ...partsOfParents(state, parentKey)];
}

function partName(object: CatalogObject | undefined): string | undefined {
  const kind = object?.id.kind;
  return kind === "column" || kind === "constraint" ? `${kind} ${object?.id.name}` : undefined;
}
