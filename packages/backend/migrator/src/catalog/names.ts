import type { CatalogObject, ObjectId } from "./catalog.ts";

/** What an object is in the words of people: `foreign key`, `materialized view`, `enum`. */
export function nounFor({ id, properties }: CatalogObject): string {
  if (id.kind === "constraint") return CONSTRAINTS[String(properties.type)] ?? "constraint";
  if (id.kind === "type") return properties.variant === "enum" ? "enum" : `${properties.variant} type`;
  if (id.kind === "table" && (properties.partitionBound ?? null) !== null) return "partition";
  if (id.setting !== undefined) return SETTINGS[`${id.kind} ${id.setting}`] ?? String(id.setting);
  return NOUNS[id.kind] ?? id.kind;
}

const CONSTRAINTS: Readonly<Record<string, string>> = {
  p: "primary key",
  u: "unique constraint",
  f: "foreign key",
  c: "check",
  x: "exclusion constraint",
};

const NOUNS: Readonly<Record<string, string>> = {
  materializedView: "materialized view",
  foreignTable: "foreign table",
  eventTrigger: "event trigger",
  typeAttribute: "attribute",
  fdw: "foreign-data wrapper",
  acl: "privilege",
  defaultPrivilege: "default privilege",
  securityLabel: "security label",
  publicationRel: "published table",
  publicationSchema: "published schema",
  statistics: "statistics object",
  indexSetting: "statistics target",
  triggerSetting: "trigger state",
};

const SETTINGS: Readonly<Record<string, string>> = {
  "columnSetting statistics": "statistics target",
  "columnSetting options": "column options",
  "columnSetting default": "default",
  "tableSetting toast": "toast options",
  "constraintSetting triggers": "enforcement",
  "constraintSetting not null": "validity",
};

/** How an object is shown: `users.email`, `audit.events`; the schema `public` goes without saying. */
export function nameOf(id: ObjectId): string {
  if (id.target) return nameOf(id.target) + (id.column === undefined ? "" : `.${shown(id.column)}`);
  const { schema, table, type, name, args } = id;
  const space = schema === "public" || schema === undefined || schema === null ? [] : [schema];
  const path = [...space, table, type, name ?? id.publication ?? id.role].filter(
    (part) => part !== undefined,
  );
  const own = path.map((part) => shown(String(part))).join(".");
  return args === undefined
    ? own
    : `${own}(${args.map((arg) => arg.replace(/^pg_catalog\./, "")).join(", ")})`;
}

/** Quoted only where it would not be clear where the name ends. */
function shown(name: string): string {
  return /^[\p{L}\p{N}_$-]+$/u.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
