/** A value that JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** What an object is said to be like. Names that begin with `_` help to make SQL and do not count in a comparison. */
export type Properties = { readonly [name: string]: Json };

/** How an object is addressed; which parts there are depends on the kind. */
export interface ObjectId {
  /** `table`, `column`, `index`, …: pg-delta's kinds, and ours (`own.ts`). */
  readonly kind: string;
  readonly schema?: string;
  /** Of a column, constraint, trigger, …: the relation (or domain) that it belongs to. */
  readonly table?: string;
  /** Of an attribute: the composite type. */
  readonly type?: string;
  readonly name?: string;
  /** Of a function: the types of its arguments. */
  readonly args?: readonly string[];
  /** Of a comment or a privilege: what it is about. */
  readonly target?: ObjectId;
  readonly grantee?: string;
  readonly column?: string;
  readonly [part: string]: Json | ObjectId | undefined;
}

/** One thing in a schema that can differ by itself. */
export interface CatalogObject {
  /** Names it within its catalog (`keyOf`). */
  readonly key: string;
  readonly id: ObjectId;
  /** The object that it goes away with: a column's table, a table's schema. */
  readonly parent: string | null;
  readonly properties: Properties;
}

/** `from` needs `to`; both are keys. */
export type Dependency = readonly [from: string, to: string];

/**
 * What a PostgreSQL schema is, as a plain value that JSON can carry: the same for the same schema, whatever the server
 * (14 to 18), the path that led there, and the role that owns it.
 */
export interface Catalog {
  readonly format: 1;
  /** Sorted by key. */
  readonly objects: readonly CatalogObject[];
  /** Sorted. They order SQL and do not count in a comparison. */
  readonly dependencies: readonly Dependency[];
}

/** Kinds that only count where privileges do. */
export const PRIVILEGE_KINDS: ReadonlySet<string> = new Set(["acl", "defaultPrivilege"]);

/** Sorts, and nothing else: a machine's locale must not change a catalog. */
export function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The key of an object: `column public.users.email`. Two ids have the same key only if they are the same. */
export function keyOf(id: ObjectId): string {
  if (id.target) return `${id.kind} (${keyOf(id.target)})${rest([id.provider, id.grantee, id.column])}`;
  let key = "";
  for (const name of PARTS) if (id[name] !== undefined) key += `.${segment(id[name])}`;
  for (const name of Object.keys(id).sort()) if (!KNOWN.has(name)) key += `.${segment(id[name])}`;
  return `${id.kind} ${key.slice(1)}`;
}

const PARTS = ["schema", "table", "type", "publication", "server", "name", "args"];
const KNOWN: ReadonlySet<string> = new Set(["kind", ...PARTS]);

function rest(parts: readonly unknown[]): string {
  return parts.map((part) => (part === undefined ? "" : `.${segment(part)}`)).join("");
}

function segment(part: unknown): string {
  if (Array.isArray(part)) return `(${part.map(segment).join(",")})`;
  const text = String(part ?? "");
  return /^[^\s.(),"]+$/.test(text) ? text : `"${text.replaceAll('"', '""')}"`;
}

/** Whether two values count as equal. */
export function isEqual(a: Json, b: Json): boolean {
  // Nearly all are, and are written alike.
  return JSON.stringify(a) === JSON.stringify(b) || canonical(a) === canonical(b);
}

/** Text that is the same for two values that count as equal: property order and names with `_` do not. */
export function canonical(value: Json): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const object = value as Properties;
  const names = Object.keys(object).filter((name) => !name.startsWith("_"));
  return `{${names
    .sort(byText)
    .map((name) => `${JSON.stringify(name)}:${canonical(object[name] ?? null)}`)
    .join(",")}}`;
}
