import type { CatalogObject, Properties } from "./catalog.ts";

/**
 * The object without what says the same in two ways: with the server's version, the role that owns it or the path that
 * led to it.
 */
export function normalized(object: CatalogObject): CatalogObject {
  const change = CHANGES[object.id.kind];
  const properties = change ? { ...object.properties, ...change(object.properties) } : object.properties;
  return { ...object, properties };
}

const CHANGES: Readonly<Record<string, (properties: Properties) => Properties>> = {
  // `validated` says it too; with it in the text as well, VALIDATE would look like another constraint.
  constraint: ({ def }) => ({ def: String(def).replace(/ NOT VALID$/, "") }),
};

/** Whether an object says something that the rest does not. */
export function isTelling({ id, properties }: CatalogObject): boolean {
  // PostgreSQL 17 and newer keep a domain's NOT NULL as a constraint too; the domain itself says it everywhere.
  if (id.kind === "constraint") return properties.type !== "n";
  // What an owner may do by default changes with the version (MAINTAIN came with 17), and owners do not count.
  if (id.kind === "acl") return !isSame(properties.privileges, properties._ownerDefault);
  return true;
}

function isSame(a: unknown, b: unknown): boolean {
  return Array.isArray(a) && Array.isArray(b) && [...a].sort().join() === [...b].sort().join();
}
