import {
  byText,
  type Catalog,
  type CatalogObject,
  isEqual,
  type Json,
  keyOf,
  type ObjectId,
  type Properties,
} from "./catalog.ts";
import type { State } from "./state.ts";

/** What one object was called, and what it is called now. */
export interface Moved {
  readonly from: ObjectId;
  readonly to: { readonly schema: string; readonly name: string };
}

/**
 * A catalog after some of its objects were renamed: PostgreSQL keeps whatever points to them, and so do the texts here.
 * @param expected what says how a text is written with the new name
 */
export function moved(catalog: Catalog, expected: State, moves: readonly Moved[]): Catalog {
  const spellings = moves.filter(({ from }) => !PARTS.has(from.kind)).map(spellingOf);
  const ids = new Map(catalog.objects.map(({ key, id }) => [key, movedId(id, moves, spellings)]));
  const now = (key: string, from: string) => {
    const [old, id] = [ids.get(key), ids.get(from)];
    // A schema stays, and another one contains what has left it.
    const isLeft = old?.kind === "schema" && id?.schema !== undefined;
    return isLeft ? keyOf({ ...old, name: id.schema }) : old ? keyOf(old) : key;
  };
  const objects = catalog.objects.map((object) => {
    const id = ids.get(object.key) ?? object.id;
    const parent = object.parent === null ? null : now(object.parent, object.key);
    return { ...object, key: keyOf(id), id, parent };
  });
  return {
    format: catalog.format,
    objects: objects
      .map((object) => ({
        ...object,
        properties: movedProperties(object, expected.objects.get(object.key), moves, spellings),
      }))
      .sort((a, b) => byText(a.key, b.key)),
    dependencies: catalog.dependencies
      .map(([from, to]) => [now(from, ""), now(to, from)] as const)
      .sort((a, b) => byText(a[0], b[0]) || byText(a[1], b[1])),
  };
}

/** Kinds whose names no text of another object has with a schema. */
const PARTS: ReadonlySet<string> = new Set(["constraint", "index"]);

function movedId(id: ObjectId, moves: readonly Moved[], spellings: readonly Spelling[]): ObjectId {
  if (id.target) return { ...id, target: movedId(id.target, moves, spellings) };
  const spelled = (text: string) => spellings.reduce((result, { was, is }) => result.replace(was, is), text);
  return moves.reduce(withMove, id.args ? { ...id, args: id.args.map(spelled) } : id);
}

function withMove(id: ObjectId, { from, to }: Moved): ObjectId {
  if (id.schema !== from.schema) return id;
  const isSame = id.kind === from.kind || id.kind === `${from.kind}Setting`;
  if (isSame && id.name === from.name && id.table === from.table && id.setting !== "not null")
    return { ...id, ...to };
  if (PARTS.has(from.kind)) return id;
  if (id.table === from.name) return { ...id, schema: to.schema, table: to.name };
  return id.type === from.name ? { ...id, schema: to.schema, type: to.name } : id;
}

/** How texts name an object: a pattern for the old name, one for the new, and the new as it is written mostly. */
interface Spelling extends Moved {
  readonly was: RegExp;
  readonly should: RegExp;
  readonly is: string;
}

function spellingOf({ from, to }: Moved): Spelling {
  const name = (id: Moved["from" | "to"]) => `${pattern(id.schema)}\\.${pattern(id.name)}`;
  const whole = (text: string) => new RegExp(`(?<![\\w$".])${text}(?![\\w$"])`, "g");
  return {
    ...{ from, to },
    // A view that was there before keeps the old name as an alias.
    was: whole(`${name(from)}(?: ${pattern(to.name)})?`),
    should: whole(name(to)),
    is: [to.schema, to.name].map((part) => (isPlain(part) ? part : quoted(part))).join("."),
  };
}

/** Key words are quoted too, so that a plain name may be written either way. */
function pattern(name = ""): string {
  const text = quoted(name).replaceAll(/[.+*?^${}()|[\]\\]/g, "\\$&");
  return isPlain(name) ? `(?:${name}|${text})` : text;
}

function isPlain(name: string): boolean {
  return /^[a-z_][a-z0-9_]*$/.test(name);
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function movedProperties(
  object: CatalogObject,
  expected: CatalogObject | undefined,
  moves: readonly Moved[],
  spellings: readonly Spelling[],
): Properties {
  if (FREE_TEXTS.has(object.id.kind)) return object.properties;
  const isRenamedIndex = moves.some(
    ({ from, to }) =>
      from.kind === "index" && from.name !== to.name && keyOf({ ...from, ...to }) === object.key,
  );
  if (isRenamedIndex) return { ...object.properties, def: expected?.properties.def ?? "" };
  const named = moves.reduce(
    (properties, move) => withIndexName(object, properties, move),
    object.properties,
  );
  const { kind } = object.id;
  const is = respelled(kind, named, moves, (text) =>
    spellings.reduce((result, { was, is }) => result.replace(was, is), text),
  );
  if (!expected) return is;
  const should = respelled(kind, expected.properties, [], (text) =>
    spellings.reduce((result, { should, is }) => result.replace(should, is), text),
  );
  return isEqual(is, should) ? expected.properties : is;
}

/** An object's properties with other names in the texts that PostgreSQL makes from what it has parsed. */
export function respelled(
  kind: string,
  properties: Properties,
  moves: readonly Moved[],
  change: (text: string) => string,
): Properties {
  if (FREE_TEXTS.has(kind)) return properties;
  const text = (value: string, name: string) => onHead(name === "def" && ROUTINES.has(kind), value, change);
  return mapped(properties, moves, text) as Properties;
}

/** What people wrote, which no renaming changes. */
const FREE_TEXTS: ReadonlySet<string> = new Set(["comment", "securityLabel"]);
const ROUTINES: ReadonlySet<string> = new Set(["function", "procedure"]);

/** The body of a function is text of that sort too, unless PostgreSQL has parsed it (BEGIN ATOMIC). */
function onHead(hasBody: boolean, text: string, change: (head: string) => string): string {
  const end = hasBody ? text.search(/\nAS [$']/) : -1;
  return end < 0 ? change(text) : change(text.slice(0, end)) + text.slice(end);
}

/** A table names the index of its replica identity, and the one that it is clustered on. */
function withIndexName(object: CatalogObject, properties: Properties, { from, to }: Moved): Properties {
  if (!PARTS.has(from.kind) || object.id.schema !== from.schema) return properties;
  if (properties.replicaIdentityIndex === from.name) return { ...properties, replicaIdentityIndex: to.name };
  const isCluster = object.id.setting === "cluster" && properties.value === from.name;
  return isCluster ? { ...properties, value: to.name } : properties;
}

function mapped(
  value: Json,
  moves: readonly Moved[],
  text: (value: string, name: string) => string,
  name = "",
): Json {
  if (typeof value === "string") return text(value, name);
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((item) => mapped(item, moves, text, name));
  const nest = moves.reduce(movedNest, value as Properties);
  return Object.fromEntries(
    Object.entries(nest).map(([inner, item]) => [inner, mapped(item, moves, text, inner)]),
  );
}

/** `{schema, name}` of a relation, or `{schema, table, column}`. */
function movedNest(nest: Properties, { from, to }: Moved): Properties {
  if (nest.schema !== from.schema || PARTS.has(from.kind)) return nest;
  const part = nest.table === undefined ? "name" : "table";
  return nest[part] === from.name ? { ...nest, schema: to.schema, [part]: to.name } : nest;
}
