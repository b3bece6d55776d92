import { byText, type Catalog, type CatalogObject, isEqual, keyOf, type ObjectId } from "./catalog.ts";
import { respelled } from "./moved.ts";
import type { Rename } from "./renames.ts";
import type { State } from "./state.ts";

/** Extensions that are in another schema, where PostgreSQL can move them. */
export function extensionMoves(expected: State, actual: Catalog): readonly Rename[] {
  const keys = new Set(actual.objects.map(({ key }) => key));
  return actual.objects.flatMap((object) => {
    const should = object.id.kind === "extension" ? expected.objects.get(object.key) : undefined;
    if (!should || should.properties.schema === object.properties.schema) return [];
    const isThere = keys.has(keyOf({ kind: "schema", name: String(should.properties.schema) }));
    return isThere && object.properties.relocatable === true ? [{ expected: should, actual: object }] : [];
  });
}

/** A catalog after an extension was moved: whatever needs it names its types and functions with the other schema. */
export function withExtensionMoved(catalog: Catalog, state: State, { expected, actual }: Rename): Catalog {
  const users = new Set(catalog.dependencies.filter(([, to]) => to === actual.key).map(([from]) => from));
  const spell = spelling(String(actual.properties.schema), String(expected.properties.schema));
  const movedId = (id: ObjectId): ObjectId => {
    if (id.target) return { ...id, target: movedId(id.target) };
    return id.args && users.has(keyOf(id)) ? { ...id, args: id.args.map(spell) } : id;
  };
  const keys = new Map(catalog.objects.map(({ key, id }) => [key, keyOf(movedId(id))]));
  const now = (key: string) => keys.get(key) ?? key;
  const [old, place] = [actual, expected].map(({ properties }) =>
    keyOf({ kind: "schema", name: String(properties.schema) }),
  );
  const placed = (from: string, to: string) => (from === actual.key && to === old && place ? place : to);
  const propertiesOf = (object: CatalogObject) => {
    if (object.key === actual.key) return expected.properties;
    if (!users.has(object.key)) return object.properties;
    const is = respelled(object.id.kind, object.properties, [], spell);
    const should = state.objects.get(now(object.key))?.properties;
    return should && isEqual(is, respelled(object.id.kind, should, [], spell)) ? should : is;
  };
  return {
    format: catalog.format,
    objects: catalog.objects
      .map((object) => ({
        ...{ key: now(object.key), id: movedId(object.id), properties: propertiesOf(object) },
        parent: object.parent === null ? null : now(object.parent),
      }))
      .sort((a, b) => byText(a.key, b.key)),
    dependencies: catalog.dependencies.map(([from, to]) => [now(from), placed(from, now(to))] as const),
  };
}

function spelling(from: string, to: string): (text: string) => string {
  const written = (name: string) =>
    /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
  const old = written(from).replaceAll(/[.+*?^${}()|[\]\\]/g, "\\$&");
  const pattern = new RegExp(`(?<![\\w$".])${old}\\.`, "g");
  return (text) => text.replace(pattern, () => `${written(to)}.`);
}
