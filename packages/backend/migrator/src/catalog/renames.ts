import {
  byText,
  type Catalog,
  type CatalogObject,
  canonical,
  type ObjectId,
  type Properties,
} from "./catalog.ts";
import { extensionMoves, withExtensionMoved } from "./extension-moves.ts";
import type { Finding } from "./find.ts";
import { type Moved, moved } from "./moved.ts";
import { type State, stateOf, subtree } from "./state.ts";
import { takenBy } from "./taken.ts";

/** An object that only has another name, or is in another schema, than it should. */
export interface Rename {
  readonly expected: CatalogObject;
  readonly actual: CatalogObject;
}

/** What was renamed, in the order in which it can be renamed back, and what is there after that. */
export interface Renamed {
  readonly renames: readonly Rename[];
  readonly actual: Catalog;
}

/**
 * Finds what is missing under one name and there under another. A constraint's name counts where its table has the right
 * one, and so on: types first, then what is made of them.
 */
export function withoutRenames(expected: Catalog, actual: Catalog): Renamed {
  const wanted = stateOf(expected);
  const renames: Rename[] = [...extensionMoves(wanted, actual)];
  let catalog = renames.reduce((moving, move) => withExtensionMoved(moving, wanted, move), actual);
  for (const kinds of STAGES) {
    for (let pairs = pairsOf(wanted, catalog, kinds); pairs.length > 0; ) {
      renames.push(...pairs);
      catalog = moved(
        catalog,
        wanted,
        pairs.flatMap((pair) => movesOf(pair, catalog)),
      );
      pairs = pairsOf(wanted, catalog, kinds);
    }
  }
  return { renames, actual: catalog };
}

const STAGES: readonly ReadonlySet<string>[] = [
  new Set(["type", "domain"]),
  new Set(["table", "foreignTable"]),
  new Set(["sequence"]),
  new Set(["view", "materializedView"]),
  new Set(["constraint", "index"]),
];

function pairsOf(wanted: State, actual: Catalog, kinds: ReadonlySet<string>): readonly Rename[] {
  const missing = [...wanted.objects.values()].filter(({ id }) => kinds.has(id.kind));
  const extra = actual.objects.filter(({ key, id }) => kinds.has(id.kind) && !wanted.objects.has(key));
  if (extra.length === 0) return [];
  const found = stateOf(actual);
  const taken = new Set(actual.objects.filter((object) => !canGo(object, wanted, found)).flatMap(takenBy));
  const free = missing.filter(
    (object) =>
      !found.objects.has(object.key) &&
      found.objects.has(object.parent ?? "") &&
      !takenBy(object).some((name) => taken.has(name)),
  );
  const [should, is] = [grouped(free, wanted), grouped(extra, found)];
  return [...should].flatMap(([form, objects]) => pairsOfForm(objects, is.get(form) ?? []));
}

/** Whether nothing is lost when it makes room: a view with the old name of a table, as those leave it who rename in steps. */
function canGo({ key, id }: CatalogObject, wanted: State, found: State): boolean {
  const isInTheWay = (id.kind === "view" || id.kind === "index") && !wanted.objects.has(key);
  return isInTheWay && (found.neededBy.get(key)?.size ?? 0) === 0;
}

/** What has to go before something gets its name back. */
export function makesRoom({ change, actual }: Finding, renames: readonly Rename[]): boolean {
  if (change !== "extra" || !actual) return false;
  const names = new Set(takenBy(actual));
  return renames.some(({ expected }) => takenBy(expected).some((name) => names.has(name)));
}

function grouped(
  objects: readonly CatalogObject[],
  state: State,
): ReadonlyMap<string, readonly CatalogObject[]> {
  const groups = new Map<string, CatalogObject[]>();
  for (const object of objects) {
    const form = formOf(object, state);
    groups.set(form, [...(groups.get(form) ?? []), object]);
  }
  return groups;
}

/** Of several tables of one form nobody can tell which is which; of two equal indexes it does not matter. */
function pairsOfForm(missing: readonly CatalogObject[], extra: readonly CatalogObject[]): readonly Rename[] {
  const isPart = PARTS.has(missing[0]?.id.kind ?? "");
  if (!isPart && (missing.length > 1 || extra.length > 1)) return [];
  return missing.flatMap((expected, index) => {
    const actual = extra[index];
    return actual && isOneStep(expected, actual) ? [{ expected, actual }] : [];
  });
}

const PARTS: ReadonlySet<string> = new Set(["constraint", "index"]);

/** With another name in another schema it is more likely to be another thing. */
function isOneStep({ id: a }: CatalogObject, { id: b }: CatalogObject): boolean {
  return a.schema === b.schema || a.name === b.name;
}

/** What has to be equal for two objects to be one under two names. */
function formOf(object: CatalogObject, state: State): string {
  const { id, parent, properties } = object;
  if (id.kind === "constraint") return canonical([parent, properties.type ?? "", properties.def ?? ""]);
  if (id.kind === "index") return canonical([parent, nameless(properties)]);
  const parts = subtree(state, object.key).flatMap((key) => state.objects.get(key) ?? []);
  if (id.kind === "table" || id.kind === "foreignTable") {
    const columns = parts.filter((part) => part.id.kind === "column" && part.parent === object.key);
    const { partitionKey = null, partitionBound = null, parentTable = null } = properties;
    return canonical([
      ...[id.kind, partitionKey, partitionBound, parentTable],
      columns.map(columnForm).sort(byText),
    ]);
  }
  const inner = parts.filter((part) => FORMING.has(part.id.kind) && part.parent === object.key);
  return canonical([
    ...[id.kind, properties],
    inner.map((part) => canonical([part.id.name ?? "", part.properties])).sort(byText),
  ]);
}

const FORMING: ReadonlySet<string> = new Set(["typeAttribute", "constraint"]);

/** An identity's sequence keeps its name when the table is renamed, and moves with it. */
function columnForm({ id, properties }: CatalogObject): string {
  const { type = "", generatedExpr = null, identity = null, notNull = false } = properties;
  return canonical([id.name ?? "", type, notNull, generatedExpr, identity !== null]);
}

function nameless({ def }: Properties): string {
  return String(def).replace(/^(CREATE (?:UNIQUE )?INDEX )(?:"(?:[^"]|"")*"|\S+)( ON )/, "$1$2");
}

/** The object, and what goes to another schema with it: a table's indexes and the sequences of its columns. */
function movesOf({ expected, actual }: Rename, catalog: Catalog): readonly Moved[] {
  const schema = String(expected.id.schema);
  const own = { from: actual.id, to: { schema, name: String(expected.id.name) } };
  if (schema === actual.id.schema || !RELATIONS.has(actual.id.kind)) return [own];
  const state = stateOf(catalog);
  const followers = subtree(state, actual.key)
    .flatMap((key) => state.objects.get(key) ?? [])
    .flatMap(({ id, properties }): readonly ObjectId[] => {
      if (id.kind === "index" || id.kind === "sequence") return [id];
      const identity = id.kind === "column" ? (properties.identity as Properties | null) : null;
      return identity ? [{ ...(identity.sequence as Properties), kind: "sequence" }] : [];
    });
  return [own, ...followers.map((from) => ({ from, to: { schema, name: String(from.name) } }))];
}

const RELATIONS: ReadonlySet<string> = new Set(["table", "materializedView"]);
