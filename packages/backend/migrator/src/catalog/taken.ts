import type { CatalogObject } from "./catalog.ts";

/**
 * The names that an object holds: no two objects of a database can hold the same. A table's row type is a type, a
 * composite type is a relation too, and a key's index has the name of its constraint.
 */
export function takenBy({ id, properties }: CatalogObject): readonly string[] {
  const name = JSON.stringify([id.schema, id.name]);
  const spaces = SPACES[id.kind] ?? [];
  if (id.kind === "constraint") return KEYS.has(String(properties.type)) ? [`relation ${name}`] : [];
  if (id.kind === "type" && properties.variant === "composite") return [`relation ${name}`, `type ${name}`];
  return spaces.map((space) => `${space} ${space === "routine" ? JSON.stringify([name, id.args]) : name}`);
}

/** PRIMARY KEY, UNIQUE, EXCLUDE. */
const KEYS: ReadonlySet<string> = new Set(["p", "u", "x"]);

const SPACES: Readonly<Record<string, readonly string[]>> = {
  table: ["relation", "type"],
  view: ["relation", "type"],
  materializedView: ["relation", "type"],
  foreignTable: ["relation", "type"],
  sequence: ["relation"],
  index: ["relation"],
  type: ["type"],
  domain: ["type"],
  function: ["routine"],
  procedure: ["routine"],
  aggregate: ["routine"],
};
