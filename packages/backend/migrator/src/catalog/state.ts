import { type Catalog, type CatalogObject, keyOf } from "./catalog.ts";
import type { Excerpt } from "./delta.ts";

/** A catalog that can be looked things up in, and changed step by step. */
export interface State {
  readonly objects: Map<string, CatalogObject>;
  /** By key: what it needs. */
  readonly needs: Map<string, readonly string[]>;
  /** By key: what needs it. */
  readonly neededBy: Map<string, Set<string>>;
  /** By key: what goes away with it, directly. */
  readonly contents: Map<string, Set<string>>;
}

export function stateOf({ objects, dependencies }: Catalog): State {
  const state: State = { objects: new Map(), needs: new Map(), neededBy: new Map(), contents: new Map() };
  const needs = new Map<string, string[]>();
  for (const [from, to] of dependencies) append(needs, from, to);
  for (const object of objects) addObject(state, object, needs.get(object.key) ?? []);
  return state;
}

function append(lists: Map<string, string[]>, key: string, value: string): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

/** Puts an object into the state, in place of the one of the same key. */
export function addObject(state: State, object: CatalogObject, needs: readonly string[]): void {
  removeObject(state, object.key);
  state.objects.set(object.key, object);
  state.needs.set(object.key, needs);
  for (const needed of needs) include(state.neededBy, needed, object.key);
  const container = containerOf(object);
  if (container !== null) include(state.contents, container, object.key);
  // A sequence of a column and a partition are in their schema too.
  if (object.parent !== null && object.parent !== container)
    include(state.contents, object.parent, object.key);
}

export function removeObject(state: State, key: string): void {
  const object = state.objects.get(key);
  if (!object) return;
  state.objects.delete(key);
  for (const needed of state.needs.get(key) ?? []) state.neededBy.get(needed)?.delete(key);
  state.needs.delete(key);
  for (const container of [containerOf(object), object.parent]) {
    if (container !== null) state.contents.get(container)?.delete(key);
  }
}

function include(sets: Map<string, Set<string>>, key: string, value: string): void {
  const set = sets.get(key);
  if (set) set.add(value);
  else sets.set(key, new Set([value]));
}

/** What an object goes away with: its parent, or for a column's own sequence the column, for a partition its table. */
export function containerOf({ id, parent, properties }: CatalogObject): string | null {
  const owner = properties.ownedBy as { schema: string; table: string; column: string } | null | undefined;
  if (id.kind === "sequence" && owner) {
    return keyOf({ kind: "column", schema: owner.schema, table: owner.table, name: owner.column });
  }
  const table = properties.parentTable as { schema: string; name: string } | null | undefined;
  if (id.kind === "table" && table) return keyOf({ kind: "table", schema: table.schema, name: table.name });
  return parent;
}

/** An object with all that goes away with it, itself first. */
export function subtree(state: State, key: string): readonly string[] {
  const found = new Set([key]);
  for (const one of found) for (const inner of state.contents.get(one) ?? []) found.add(inner);
  return [...found];
}

/** Whatever can play a part when these objects change: what needs them, whole, and what all of that needs. */
export function surroundings(state: State, keys: Iterable<string>): ReadonlySet<string> {
  const affected = new Set(keys);
  for (const key of affected) {
    for (const inner of state.contents.get(key) ?? []) affected.add(inner);
    for (const user of state.neededBy.get(key) ?? []) affected.add(user);
  }
  const found = new Set(affected);
  for (const key of found) {
    const object = state.objects.get(key);
    for (const container of object ? [object.parent, containerOf(object)] : []) {
      if (container !== null) found.add(container);
    }
    for (const needed of state.needs.get(key) ?? []) found.add(needed);
  }
  return found;
}

/** The part of the state that these keys name. */
export function excerpt(state: State, keys: ReadonlySet<string>): Excerpt {
  const present = [...keys].filter((key) => state.objects.has(key)).sort();
  return {
    objects: present.flatMap((key) => state.objects.get(key) ?? []),
    dependencies: present.flatMap((key) =>
      (state.needs.get(key) ?? []).map((needed) => [key, needed] as const),
    ),
  };
}
