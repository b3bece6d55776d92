import { byText, type Catalog, type CatalogObject, isEqual, PRIVILEGE_KINDS } from "./catalog.ts";
import { changesParent, handedOver } from "./inherited.ts";
import { joinedByName } from "./same-name.ts";
import { containerOf, type State, subtree } from "./state.ts";

/** One thing that differs, and what of both catalogs it takes with it. */
export interface Finding {
  readonly change: "missing" | "extra" | "changed";
  /** As it is in each of the catalogs; undefined where it is not there. */
  readonly expected: CatalogObject | undefined;
  readonly actual: CatalogObject | undefined;
  /** Keys that are to be put right together. */
  readonly keys: readonly string[];
}

/** Whether nothing differs, which is what is found most often. */
export function isSame(expected: Catalog, actual: Catalog): boolean {
  return (
    expected.objects.length === actual.objects.length &&
    // Both are sorted.
    expected.objects.every((object, index) => {
      const other = actual.objects[index];
      return object.key === other?.key && !differs(object, other);
    })
  );
}

/** What differs between two states, each thing once: of a missing table only the table. Sorted by key. */
export function findDifferences(expected: State, actual: State): readonly Finding[] {
  const missing = [...expected.objects.values()].filter(({ key }) => !actual.objects.has(key));
  const extra = [...actual.objects.values()].filter(({ key }) => !expected.objects.has(key));
  const changed = [...expected.objects.values()].filter((object) =>
    differs(object, actual.objects.get(object.key)),
  );
  const changedKeys = new Set(changed.map(({ key }) => key));
  const attached = new Set(changed.filter((object) => changesItsPlace(object, actual)).map(({ key }) => key));
  const handed = new Set(changed.flatMap((object) => handedTo(object, expected, actual)));
  const isTop = (object: CatalogObject, there: State, here: State) => {
    const container = containerOf(object);
    if (container === null) return true;
    if (handed.has(object.key)) return false;
    // A default that the column's new type has changed is part of the column's difference.
    if (object.id.kind === "default" && changedKeys.has(container)) return false;
    // Its old or new source of values is the column's own.
    if (object.id.kind === "sequence" && changesSource(container, expected, actual)) return false;
    if (attached.has(container)) return false;
    return here.objects.has(container) || !there.objects.has(container);
  };
  const findings = [
    ...missing
      .filter((object) => isTop(object, expected, actual))
      .map(
        (object): Finding => ({
          ...{ change: "missing", expected: object, actual: undefined },
          keys: subtree(expected, object.key).filter((key) => !actual.objects.has(key)),
        }),
      ),
    ...extra
      .filter((object) => isTop(object, actual, expected))
      .map(
        (object): Finding => ({
          ...{ change: "extra", expected: undefined, actual: object },
          keys: subtree(actual, object.key).filter((key) => !expected.objects.has(key)),
        }),
      ),
    ...changed
      .filter(
        ({ id, parent }) =>
          !attached.has(parent ?? "") && (id.kind !== "default" || !changedKeys.has(parent ?? "")),
      )
      .map(
        (object): Finding => ({
          ...{ change: "changed", expected: object, actual: actual.objects.get(object.key) },
          keys: changesItsPlace(object, actual)
            ? [...new Set([expected, actual].flatMap((state) => subtree(state, object.key)))]
            : [object.key, ...valuesOf(object, expected, actual), ...handedTo(object, expected, actual)],
        }),
      ),
  ];
  return joinedByName(findings.sort((a, b) => byText(keyOfFinding(a), keyOfFinding(b))));
}

export function keyOfFinding({ expected, actual }: Finding): string {
  return (expected ?? actual)?.key ?? "";
}

function differs(expected: CatalogObject, actual: CatalogObject | undefined): boolean {
  if (!actual) return false;
  return expected.parent !== actual.parent || !isEqual(expected.properties, actual.properties);
}

function handedTo(object: CatalogObject, expected: State, actual: State): readonly string[] {
  const isHanded = changesParent(object, actual.objects.get(object.key));
  return isHanded ? handedOver(object.key, expected, actual) : [];
}

/** A column's default, and the sequence that it has instead of an identity. */
function valuesOf({ id, key }: CatalogObject, expected: State, actual: State): readonly string[] {
  if (id.kind !== "column") return [];
  const kinds = new Set(changesSource(key, expected, actual) ? ["default", "sequence"] : ["default"]);
  const states = [expected, actual];
  const all = states.flatMap((state) => [...(state.contents.get(key) ?? [])]);
  return [...new Set(all)].filter((inner) =>
    states.some((state) => kinds.has(state.objects.get(inner)?.id.kind ?? "")),
  );
}

/** Whether a column is an identity in only one of the catalogs. */
function changesSource(column: string, ...states: readonly [State, State]): boolean {
  const [a, b] = states.map((state) => state.objects.get(column)?.properties.identity);
  return a !== undefined && b !== undefined && (a === null) !== (b === null);
}

/** Whether a table is a partition in only one of the catalogs; its columns are its own or its parent's with that. */
function changesItsPlace({ key, properties }: CatalogObject, actual: State): boolean {
  const bound = actual.objects.get(key)?.properties.partitionBound ?? null;
  return ((properties.partitionBound ?? null) === null) !== (bound === null);
}

/** Whether an object counts at all. */
export function countsWith(privileges: boolean): (object: CatalogObject) => boolean {
  return ({ id }) => privileges || !PRIVILEGE_KINDS.has(id.kind);
}
