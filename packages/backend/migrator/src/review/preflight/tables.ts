import { identifier } from "../../database/sql-text.ts";
import type { Change } from "../changes.ts";
import type { Column, Relation, SchemaFacts } from "../facts.ts";
import { columnsIn, replaceTypes } from "./syntax.ts";
import { namedOnTarget, type Types, typeOnTarget } from "./types.ts";

/** A table of the target as it looks to a statement of the plan: its rows, under the names that they have by then. */
export interface TableState {
  /** As the target has it. */
  readonly target: Relation;
  readonly now: Relation;
  /** SQL for its rows. @param base what they are read from */
  readonly rows: (base: string) => string;
  /** What tells one row from another, as the target calls it, and what the rows above call it. */
  readonly keys: readonly { readonly label: string; readonly name: string }[];
  /** Which earlier statement has made a column what it is, by its number. */
  readonly changedBy: ReadonlyMap<number, string>;
  /** Whether texts in it mean what they mean to a migration's own session. */
  readonly session: boolean;
  /** Which earlier statement converts a column's values, which may fail before anything else does, by the column's number. */
  readonly convertedBy: ReadonlyMap<number, string>;
}

/** Columns that the rows have beside their own. */
const KEY = "migrator_key_";

/** A table before the plan. */
export function stateBefore(target: Relation, facts: SchemaFacts): TableState {
  const primary = [...facts.constraints.values()].find(
    ({ type, table }) => type === "p" && table === target.oid,
  );
  const named = target.columns.filter(({ number }) => primary?.columns.includes(number));
  const labels =
    named.length > 0 ? named.map(({ name }) => name) : ["r", "m"].includes(target.kind) ? ["ctid"] : [];
  const keys = labels.map((label, index) => ({ label, name: `${KEY}${index}` }));
  const columns = [
    ...target.columns.map(({ name }) => identifier(name)),
    ...keys.map(({ label, name }) => `${identifier(label)} as ${identifier(name)}`),
  ];
  return {
    target,
    now: target,
    keys,
    rows: (base) => `select ${columns.join(", ")} from ${base}`,
    changedBy: new Map(),
    session: false,
    convertedBy: new Map(),
  };
}

/** What is needed to follow a table through a statement. */
export interface Step {
  readonly types: Types;
  readonly changes: readonly Change[];
  /** `0008_x.sql, statement 2` */
  readonly statement: string;
  /** Expressions after USING, by column. */
  readonly usings: ReadonlyMap<string, string>;
}

/** The table as it looks after a statement. @param now as the copy has it then */
export function stateAfter(state: TableState, now: Relation, step: Step): TableState {
  const own = step.changes.filter((change) => "table" in change && change.table.oid === now.oid);
  const touched = own.flatMap((change) => {
    if (change.type === "column-added") return [change.column.number];
    return change.type === "column-renamed" || change.type === "column-retyped" ? [change.to.number] : [];
  });
  if (now === state.now || (own.length === 0 && now.name === state.now.name)) return { ...state, now };
  const old = new Map(state.now.columns.map((column) => [column.number, column]));
  const conversions = now.columns.filter((column) => isConverted(old.get(column.number), column));
  const keys = state.keys.map(({ name }) => identifier(name));
  const plain = now.columns
    .filter((column) => old.has(column.number) || !isGenerated(column))
    .map((column) => `${valueSql(old.get(column.number), column, step)} as ${identifier(column.name)}`);
  const generated = now.columns
    .filter((column) => !old.has(column.number) && isGenerated(column))
    .map((column) => `${castTo(column, column.default ?? "null", step.types)} as ${identifier(column.name)}`);
  const from = (inner: string) =>
    `select ${[...plain, ...keys].join(", ")} from (${inner}) as ${identifier(state.now.name)}`;
  const rows = (base: string) =>
    generated.length === 0
      ? from(state.rows(base))
      : `select *, ${generated.join(", ")} from (${from(state.rows(base))}) as ${identifier(now.name)}`;
  const usesSession = conversions.some(({ number }) => step.usings.has(old.get(number)?.name ?? ""));
  return {
    ...state,
    now,
    rows,
    changedBy: new Map([...state.changedBy, ...touched.map((number) => [number, step.statement] as const)]),
    session: state.session || usesSession,
    convertedBy: new Map([
      ...state.convertedBy,
      ...conversions.map(({ number }) => [number, step.statement] as const),
    ]),
  };
}

/** Whether a column gets another type: the same one under another name is none. */
export function isConverted(before: Column | undefined, { type, typeOid }: Column): boolean {
  const withoutLimit = (name: string) => name.replace(/\([\d,-]+\)/, "");
  if (before === undefined || before.typeOid !== typeOid) return before !== undefined;
  return before.type !== type && withoutLimit(before.type) === withoutLimit(type);
}

/** Whether PostgreSQL computes it of other columns. */
export function isGenerated(column: Column): boolean {
  return column.filled && column.default !== null;
}

/** What a row that is there has in a column after a statement. */
function valueSql(before: Column | undefined, column: Column, { types, usings }: Step): string {
  if (before === undefined) return castTo(column, addedSql(column), types);
  if (!isConverted(before, column)) return identifier(before.name);
  const using = usings.get(before.name);
  return castTo(column, using ?? identifier(before.name), types);
}

/** A new column's value: that of its default, and a number of its own for each row where a sequence gives it. */
function addedSql({ filled, default: value }: Column): string {
  const isCounted = filled || /\bnextval\(/.test(value ?? "");
  return isCounted ? "row_number() over ()" : (value ?? "null");
}

function castTo({ typeOid, type }: Column, sql: string, types: Types): string {
  return `(${replaceTypes(sql, namedOnTarget(types))})::${typeOnTarget(types, typeOid, type)}`;
}

/** How a table's rows are read. */
export interface Reading {
  /** Without those of tables that inherit from it. */
  readonly only?: boolean;
  /** Percent of its blocks. */
  readonly percent?: number | undefined;
}

/** SQL to stand after FROM: the rows, called as the table is by then. */
export function fromSql(state: TableState, { only = false, percent }: Reading = {}): string {
  const { schema, name, kind } = state.target;
  // The same blocks each time, so that the examples are of the rows that were counted.
  const sample = percent === undefined ? "" : ` tablesample system (${percent}) repeatable (1)`;
  const base = `${only && kind === "r" ? "only " : ""}${identifier(schema)}.${identifier(name)}${sample}`;
  return `(${state.rows(base)}) as ${identifier(state.now.name)}`;
}

/** SQL for a row's key: `id = 7`. */
export function keySql({ keys }: TableState): string | undefined {
  if (keys.length === 0) return undefined;
  const parts = keys.map(({ label, name }) => {
    const value = `${identifier(name)}::pg_catalog.text`;
    const shown = `case when ${value} ~ '^-?[0-9.]+$' then ${value} else pg_catalog.quote_literal(${value}) end`;
    return `pg_catalog.concat('${label.replaceAll("'", "''")} = ', ${shown})`;
  });
  return `pg_catalog.concat_ws(', ', ${parts.join(", ")})`;
}

/** Which earlier statements of the plan have a hand in what is asked about. */
export interface Origin {
  readonly changedBy: string | undefined;
  readonly convertedBy: string | undefined;
}

/** Who has made columns what they are. @param names as they are now; `*` for all */
export function originOf({ now, changedBy, convertedBy }: TableState, names: ReadonlySet<string>): Origin {
  const numbers = now.columns
    .filter(({ name }) => names.has(name) || names.has("*"))
    .map(({ number }) => number);
  const last = (by: ReadonlyMap<number, string>) => numbers.flatMap((number) => by.get(number) ?? []).at(-1);
  return { changedBy: last(changedBy), convertedBy: last(convertedBy) };
}

/** The same of the columns of an expression. */
export function originIn(state: TableState, sql: string): Origin {
  return originOf(state, columnsIn(sql));
}
