import type { Session } from "../../database/session.ts";
import { identifier } from "../../database/sql-text.ts";
import type { SchemaFacts, UserType } from "../facts.ts";

/** What the copy's catalog tells of a type. */
export interface TypeFacts {
  readonly oid: number;
  /** pg_type.typcategory: N number, S text, D date and time, … */
  readonly category: string;
  /** Of a domain: the type beneath it, and that type as SQL. */
  readonly base: number;
  readonly baseName: string;
  /** Of an array: the type of its elements; 0 for others. */
  readonly element: number;
  /** Bytes; -1 for one that varies. */
  readonly length: number;
  /** Of a domain. */
  readonly notNull: boolean;
}

/** The types of a plan: those of the copy, and which of them the target has. */
export interface Types {
  readonly facts: ReadonlyMap<number, TypeFacts>;
  /** Enums and domains of the target, by OID of the copy. */
  readonly old: ReadonlyMap<number, UserType>;
  /** Those that the plan makes. */
  readonly made: ReadonlyMap<number, UserType>;
}

/** @param moments the schema before the plan, then after each of its statements */
export async function readTypes(copy: Session, moments: readonly SchemaFacts[]): Promise<Types> {
  const rows = await copy.unsafe<readonly TypeFacts[]>(`
    select t.oid::bigint::float8 as oid, t.typcategory as category, t.typbasetype::bigint::float8 as base,
      pg_catalog.format_type(nullif(t.typbasetype, 0), t.typtypmod) as "baseName",
      case when t.typcategory = 'A' then t.typelem::bigint else 0 end::float8 as element,
      t.typlen::float8 as length, t.typnotnull as "notNull"
    from pg_catalog.pg_type t where t.typtype <> 'c'`);
  const old = moments[0]?.types ?? new Map<number, UserType>();
  const made = moments.flatMap(({ types }) => [...types]).filter(([oid]) => !old.has(oid));
  return { facts: new Map(rows.map((row) => [row.oid, row])), old, made: new Map(made) };
}

/** What enums that the plan makes are told as on the target, which has none of them. */
const AS_TEXT = "pg_catalog.text";

/**
 * A type's name on the target. One that the plan makes is told by what holds the same values: an enum as text, a domain as
 * the type beneath it.
 * @param name as the copy tells it, qualified
 */
export function typeOnTarget(types: Types, oid: number, name: string): string {
  const old = types.old.get(oid);
  if (old) return `${identifier(old.schema)}.${identifier(old.name)}`;
  const facts = types.facts.get(oid);
  const made = types.made.get(oid);
  if (made?.kind === "e") return AS_TEXT;
  if (made && facts) return typeOnTarget(types, facts.base, facts.baseName);
  const element = facts?.element ?? 0;
  const isOwn = types.old.has(element) || types.made.has(element);
  return isOwn ? `${typeOnTarget(types, element, name.replace(/\[\]$/, ""))}[]` : name;
}

/** The type that the values of a type are of: beneath domains, itself for others. */
export function baseOf(types: Types, oid: number): number {
  const base = types.facts.get(oid)?.base ?? 0;
  return base === 0 ? oid : baseOf(types, base);
}

export function categoryOf(types: Types, oid: number): string | undefined {
  return types.facts.get(baseOf(types, oid))?.category;
}

/** What to write instead of a type's name on the target; undefined where it may stay. */
export function namedOnTarget(types: Types): (names: readonly string[]) => string | undefined {
  return (names) => {
    const found = [...types.made.values()].find((one) => isNamed(one, names));
    if (found === undefined) return undefined;
    return typeOnTarget(types, found.oid, found.name);
  };
}

/** Whether a name, perhaps without a schema, can mean this type. */
export function isNamed({ schema, name }: UserType, names: readonly string[]): boolean {
  return names.at(-1) === name && (names.length === 1 || names.at(-2) === schema);
}
