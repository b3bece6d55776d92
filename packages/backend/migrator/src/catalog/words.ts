import { type CatalogObject, canonical, type Json, type Properties } from "./catalog.ts";
import type { Finding } from "./find.ts";
import { nameOf, nounFor } from "./names.ts";
import { CODES, PROPERTIES, WORDS } from "./vocabulary.ts";

/** A difference in one sentence: "column `wishlist_items.sort_order` has no default; the migrations say 0". */
export function sentenceFor({ change, expected, actual }: Finding): string {
  const object = expected ?? actual;
  if (!object) return "";
  const label = `${nounFor(object)} \`${nameOf(object.id)}\``;
  if (VALUES[object.id.kind]) return valueSentence(object, actual?.properties, expected?.properties);
  if (change === "missing") return `${label} is missing`;
  if (change === "extra") return `${label} is not in the migrations`;
  if (expected && actual && expected.id.kind !== actual.id.kind) return `${label} is ${aNoun(actual)}`;
  if (expected && actual && expected.key !== actual.key) return `${label} is called \`${nameOf(actual.id)}\``;
  const is = flat(actual?.properties ?? {}, expected?.properties ?? {});
  const should = flat(expected?.properties ?? {}, actual?.properties ?? {});
  const parts = changedNames(should, is).map((name) =>
    changeWords(name, is[name] ?? null, should[name] ?? null, object),
  );
  if (parts.length === 0) parts.push("belongs to another table than the migrations say");
  return `${label} ${parts.join("; it ")}`;
}

function aNoun(object: CatalogObject): string {
  const noun = nounFor(object);
  return `${/^[aeiou](?!ni)/.test(noun) ? "an" : "a"} ${noun}`;
}

/** The properties without nests where both have one: an identity's increment is one of them. */
function flat(properties: Properties, others: Properties): Properties {
  const entries = Object.entries(properties).flatMap(([name, value]): [string, Json][] => {
    if (!isNest(value)) return [[name, value]];
    // The name of something else.
    if (value.schema !== undefined)
      return [[name, nameOf({ kind: "", ...(value as Record<string, string>) })]];
    const other = others[name] ?? null;
    if (isNest(other)) return Object.entries(flat(value, other));
    return [[name, coded("generation", value.generation ?? canonical(value))]];
  });
  return Object.fromEntries(entries);
}

function isNest(value: Json): value is Properties {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** Names of the properties that count and differ. */
export function changedNames(expected: Properties = {}, actual: Properties = {}): readonly string[] {
  const names = new Set([...Object.keys(expected), ...Object.keys(actual)]);
  return [...names]
    .filter(
      (name) =>
        !name.startsWith("_") && canonical(expected[name] ?? null) !== canonical(actual[name] ?? null),
    )
    .sort();
}

/** Kinds that are one value of another object, and the property that holds it. */
const VALUES: Readonly<Record<string, string>> = {
  default: "expr",
  comment: "text",
  columnSetting: "value",
  indexSetting: "value",
  tableSetting: "value",
  triggerSetting: "value",
  constraintSetting: "value",
  acl: "privileges",
  defaultPrivilege: "privileges",
  securityLabel: "label",
};

function valueSentence({ id, ...rest }: CatalogObject, actual?: Properties, expected?: Properties): string {
  const name = VALUES[id.kind] ?? "";
  const [is, should] = [actual, expected].map((properties) =>
    properties === undefined ? undefined : coded(String(id.setting ?? id.kind), properties[name] ?? null),
  );
  const noun = nounFor({ id, ...rest });
  const to = id.grantee === undefined ? "" : ` for ${id.grantee}`;
  const has = is === undefined ? `has no ${noun}${to}` : `has the ${noun}${to} ${is}`;
  return `${subjectOf({ id, ...rest })} ${has}; the migrations ${should === undefined ? "give none" : `say ${should}`}`;
}

/** What the value belongs to. */
function subjectOf({ id }: CatalogObject): string {
  const kind = id.target?.kind ?? SUBJECTS[id.kind] ?? id.kind;
  const noun = nounFor({ key: "", parent: null, id: { kind }, properties: {} });
  return `${id.kind === "acl" && id.column !== undefined ? "column" : noun} \`${nameOf(id)}\``;
}

const SUBJECTS: Readonly<Record<string, string>> = {
  default: "column",
  columnSetting: "column",
  indexSetting: "index",
  tableSetting: "table",
  triggerSetting: "trigger",
  constraintSetting: "constraint",
  defaultPrivilege: "role",
};

function changeWords(name: string, is: Json, should: Json, object: CatalogObject): string {
  const kind = `${object.id.kind}.${name}`;
  if (kind === "type.values") return enumWords(is as readonly string[], should as readonly string[]);
  const words = WORDS[kind];
  const said = words?.[should ? 0 : 1];
  return (
    said ??
    `has the ${PROPERTIES[name] ?? name} ${coded(name, is)}; the migrations say ${coded(name, should)}`
  );
}

function enumWords(is: readonly string[], should: readonly string[]): string {
  const lacking = should.filter((value) => !is.includes(value));
  const surplus = is.filter((value) => !should.includes(value));
  if (lacking.length + surplus.length === 0) return `has its values in another order than ${show(should)}`;
  return [
    ...(lacking.length > 0 ? [`lacks ${show(lacking)}`] : []),
    ...(surplus.length > 0 ? [`has ${show(surplus)}, which the migrations do not`] : []),
  ].join(" and ");
}

function coded(name: string, value: Json): string {
  return (typeof value === "string" ? CODES[name]?.[value] : undefined) ?? show(value);
}

/** A value as people read it; none is "none". */
function show(value: Json): string {
  if (value === null) return "none";
  if (Array.isArray(value)) return value.map(show).join(", ") || "none";
  // The text of a view ends with a semicolon.
  return typeof value === "string" ? value.trim().replace(/;$/, "") || "none" : canonical(value);
}
