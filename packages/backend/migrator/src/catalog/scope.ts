import type { LedgerName } from "../config.ts";
import { runLogName } from "../database/run-log.ts";
import { type CatalogObject, keyOf } from "./catalog.ts";

/** What of a database counts. */
export interface Scope {
  readonly schemas?: readonly string[] | undefined;
  readonly ignoreSchemas?: readonly string[] | undefined;
  readonly ledger: LedgerName;
}

// Of the cluster and not of a database. What an object's owner is called is no matter of migrations either.
const CLUSTER_KINDS: ReadonlySet<string> = new Set(["role", "membership", "userMapping"]);

/**
 * The objects that count: no roles, nothing that came with an extension, nothing of the ledger, and nothing below any of these.
 * @param members keys of extensions' own objects, and of what else does not count
 */
export function scoped(
  objects: readonly CatalogObject[],
  members: ReadonlySet<string>,
  scope: Scope,
): readonly CatalogObject[] {
  const ledger = ledgerKeys(objects, scope.ledger);
  const byKey = new Map(objects.map((object) => [object.key, object]));
  const decided = new Map<string, boolean>();
  const counts = (object: CatalogObject): boolean => {
    const known = decided.get(object.key);
    if (known !== undefined) return known;
    const parent = object.parent === null ? undefined : byKey.get(object.parent);
    const answer =
      !CLUSTER_KINDS.has(object.id.kind) &&
      !members.has(object.key) &&
      !ledger.has(object.key) &&
      isWanted(schemaOf(object), scope) &&
      (parent === undefined || counts(parent));
    decided.set(object.key, answer);
    return answer;
  };
  return withLedgerSchema(objects.filter(counts), scope);
}

function schemaOf({ id }: CatalogObject): string | undefined {
  return id.kind === "schema" ? id.name : id.schema;
}

function isWanted(schema: string | undefined, { schemas, ignoreSchemas }: Scope): boolean {
  // Extensions, publications and the like are in no schema.
  if (schema === undefined || schema === "") return true;
  return (schemas?.includes(schema) ?? true) && !(ignoreSchemas?.includes(schema) ?? false);
}

/** Ledger and run log with the sequences of their ids, which a schema and not a table contains. */
function ledgerKeys(objects: readonly CatalogObject[], ledger: LedgerName): ReadonlySet<string> {
  const tables = [ledger, runLogName(ledger)];
  const isLedger = (schema: unknown, table: unknown) =>
    tables.some((name) => name.schema === schema && name.table === table);
  const owned = objects.filter(({ id, properties }) => {
    const owner = properties.ownedBy as
      | { readonly schema?: string; readonly table?: string }
      | null
      | undefined;
    return id.kind === "sequence" && owner && isLedger(owner.schema, owner.table);
  });
  const keys = tables.map(({ schema, table }) => keyOf({ kind: "table", schema, name: table }));
  return new Set([...keys, ...owned.map(({ key }) => key)]);
}

/** The ledger's schema is there whether a run has made it yet or not, so that nobody is told to drop or make it. */
function withLedgerSchema(objects: readonly CatalogObject[], scope: Scope): readonly CatalogObject[] {
  const { schema } = scope.ledger;
  const id = { kind: "schema", name: schema };
  const key = keyOf(id);
  if (schema === "public" || !isWanted(schema, scope) || objects.some((object) => object.key === key))
    return objects;
  return [...objects, { key, id, parent: null, properties: {} }];
}
