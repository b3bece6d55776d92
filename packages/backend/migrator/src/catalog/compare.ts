import type { Catalog, CatalogObject, Properties } from "./catalog.ts";
import { loadPlanner } from "./delta.ts";
import { countsWith, type Finding, findDifferences, isSame } from "./find.ts";
import { nameOf, nounFor } from "./names.ts";
import { ordered } from "./order.ts";
import { type Planning, type Remedy, remedyFor } from "./remedy.ts";
import { renameBack } from "./rename-sql.ts";
import { makesRoom, withoutRenames } from "./renames.ts";
import { rolesOf } from "./roles.ts";
import { stateOf } from "./state.ts";
import { changedNames, sentenceFor } from "./words.ts";

/** One thing in which a database is not what it should be. */
export interface Difference {
  readonly change: Finding["change"];
  /** In the words of people: `table`, `column`, `default`, `foreign key`, `enum`, … */
  readonly kind: string;
  /** `wishlist_items.sort_order`; with its schema where that is not `public`. */
  readonly object: string;
  /** "column `wishlist_items.sort_order` has no default; the migrations say 0" */
  readonly text: string;
  /** What it should be like, as far as it differs; null where it should not be. */
  readonly expected: Properties | null;
  /** What it is like, as far as it differs; null where it is not there. */
  readonly actual: Properties | null;
  readonly remedy: Remedy;
}

/** What counts. */
export interface CompareOptions {
  /** Whether grants and default privileges do. Default false. */
  readonly privileges?: boolean | undefined;
}

/**
 * What differs, each thing once: of a missing table the table, and not each of its columns. In the order in which the
 * remedies can be applied; each takes those before it as done. Column order and owners do not count.
 */
export async function compareCatalogs(
  expected: Catalog,
  actual: Catalog,
  { privileges = false }: CompareOptions = {},
): Promise<readonly Difference[]> {
  const wanted = counting(expected, privileges);
  const found = counting(actual, privileges);
  if (isSame(wanted, found)) return [];
  const { renames, actual: named } = withoutRenames(wanted, found);
  const should = stateOf(wanted);
  const is = stateOf(named);
  const findings = findDifferences(should, is);
  const planning: Planning = { planner: await loadPlanner(), roles: rolesOf(expected, actual) };
  const inOrder = ordered(findings, should, is);
  const isFirst = (finding: Finding) => makesRoom(finding, renames);
  const put = (finding: Finding) => differenceOf(finding, remedyFor(finding, should, is, planning));
  return [
    ...inOrder.filter(isFirst).map(put),
    ...renames.map((rename) => differenceOf({ change: "changed", keys: [], ...rename }, renameBack(rename))),
    ...inOrder.filter((finding) => !isFirst(finding)).map(put),
  ];
}

/** The part of a catalog that counts. */
export function counting(catalog: Catalog, privileges: boolean): Catalog {
  return privileges ? catalog : { ...catalog, objects: catalog.objects.filter(countsWith(privileges)) };
}

function differenceOf(finding: Finding, remedy: Remedy): Difference {
  const { change, expected, actual } = finding;
  const object = expected ?? actual;
  if (!object) throw new Error("unreachable");
  const isSameKind = expected?.id.kind === actual?.id.kind;
  const names = isSameKind ? changedNames(expected?.properties, actual?.properties) : undefined;
  const isRenamed = isSameKind && expected && actual && expected.key !== actual.key;
  return {
    change,
    kind: nounFor(object),
    object: nameOf(object.id),
    text: sentenceFor(finding),
    expected: isRenamed ? placeOf(expected) : shownProperties(expected?.properties, names),
    actual: isRenamed ? placeOf(actual) : shownProperties(actual?.properties, names),
    remedy,
  };
}

function placeOf({ id }: CatalogObject): Properties {
  return { schema: id.schema ?? "", name: id.name ?? "" };
}

function shownProperties(
  properties: Properties | undefined,
  names: readonly string[] | undefined,
): Properties | null {
  if (properties === undefined) return null;
  const shown = names ?? Object.keys(properties).filter((name) => !name.startsWith("_"));
  return Object.fromEntries(shown.map((name) => [name, properties[name] ?? null]));
}
