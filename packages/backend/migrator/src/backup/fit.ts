import type { ColumnFacts, TableFacts } from "./facts.ts";
import type { SavedPart } from "./manifest.ts";

/** PURE. Why a table as it is now cannot take what was saved of it; empty where it can. */
export function misfitsOf(part: SavedPart, facts: TableFacts | undefined): readonly string[] {
  const table = `table ${part.schema}.${part.table}`;
  if (facts === undefined) return [`${table} is not there`];
  if (facts.kind !== "r" && facts.kind !== "p") return [`${table} is not a table any more`];
  const columns = new Map(facts.columns.map((column) => [column.name, column]));
  const misfits = part.columns.flatMap((saved) => {
    const why = misfitOf(saved, columns.get(saved.name));
    return why === undefined ? [] : [`column ${part.schema}.${part.table}.${saved.name} ${why}`];
  });
  if (part.kind === "columns") return misfits;
  const saved = new Set(part.columns.map(({ name }) => name));
  const unfilled = facts.columns.filter((column) => !saved.has(column.name) && mustBeGiven(column));
  return [
    ...misfits,
    ...unfilled.map(
      ({ name }) =>
        `column ${part.schema}.${part.table}.${name} takes no NULL and has no default, and the backup has no such column`,
    ),
  ];
}

function misfitOf(saved: SavedPart["columns"][number], now: ColumnFacts | undefined): string | undefined {
  if (now === undefined) return "is not there";
  if (now.generated) return "is generated now";
  return isWideEnough(saved.type, now.type)
    ? undefined
    : `was ${saved.type} and is ${now.type} now, which might not hold every value`;
}

function mustBeGiven(column: ColumnFacts): boolean {
  return column.notNull && column.default === null && column.identity === "" && !column.generated;
}

/** Types that hold every value of another, written as that one writes it. */
const WIDER: Readonly<Record<string, readonly string[]>> = {
  smallint: ["integer", "bigint", "numeric"],
  integer: ["bigint", "numeric"],
  bigint: ["numeric"],
  real: ["double precision"],
  date: ["timestamp without time zone"],
  jsonb: ["json"],
};

const TEXTS = ["text", "character varying"];

/** PURE. Whether a column of one type takes every value of another unchanged, or says so where it does not. */
export function isWideEnough(from: string, to: string): boolean {
  if (from === to) return true;
  const [old, now] = [parse(from), parse(to)];
  // One that is too long for it is refused by PostgreSQL; too fine a number or time would be rounded in silence.
  if (TEXTS.includes(now.base)) return true;
  if (old.base !== now.base) return now.fineness === undefined && (WIDER[old.base] ?? []).includes(now.base);
  if (now.fineness === undefined) return true;
  return old.fineness !== undefined && now.fineness >= old.fineness;
}

/** `timestamp(3) without time zone` is `timestamp without time zone`, as fine as 3; `numeric(10,2)` is as fine as 2. */
function parse(type: string): { readonly base: string; readonly fineness: number | undefined } {
  const modifier = /\(([\d,-]+)\)/.exec(type)?.[1]?.split(",").map(Number);
  const base = type.replace(/\([\d,-]+\)/, "");
  if (modifier === undefined) return { base, fineness: undefined };
  return { base, fineness: base.startsWith("numeric") ? (modifier[1] ?? 0) : modifier[0] };
}
