import type { Change } from "../changes.ts";
import type { Relation, SchemaFacts } from "../facts.ts";
import type { ObservedStatement } from "../observed.ts";
import type { Check } from "./check.ts";
import { columnsIn, type Part } from "./syntax.ts";
import type { TableState } from "./tables.ts";
import type { Types } from "./types.ts";

/** A statement of the plan, and all that is known when it comes to run. */
export interface Moment {
  readonly statement: ObservedStatement;
  /** `0008_x.sql, statement 2` */
  readonly name: string;
  /** The commands in it. */
  readonly parts: readonly Part[];
  /** The schema as the statement meets it, and as it leaves it. */
  readonly before: SchemaFacts;
  readonly after: SchemaFacts;
  /** What it does, each change told once: not for the parts of a table that it was made to as well. */
  readonly changes: readonly Change[];
  readonly types: Types;
  /** Expressions after USING, by the column's OID of table and name. */
  readonly usings: ReadonlyMap<string, string>;
  /** A table of the target, as the statement meets it; undefined for what the plan makes, which has no rows. */
  stateBefore(table: number): TableState | undefined;
  /** The same as it is before all of the plan. */
  origin(table: number): TableState | undefined;
  /** The same as the statement leaves it. */
  stateAfter(table: number): TableState | undefined;
  /** Percent of a table's blocks to look at; undefined for all of them. */
  percentOf(table: number): number | undefined;
  /** What the rows of a partition have in common, as SQL. */
  boundsOf(table: number): string | undefined;
  /** The default partition of a partitioned table. */
  defaultOf(table: number): number | undefined;
  /** Rows of the target's table, as its statistics know them. */
  rowsOf(table: number): number;
  /**
   * The earlier statement that writes to rows of a table.
   * @param columns numbers of those that matter; undefined where whole rows do
   */
  writerOf(table: number, columns?: readonly number[]): string | undefined;
  /** The earlier statement that fills a table from other rows. */
  fillerOf(table: number): string | undefined;
}

/** Makes questions of what a statement does. */
export type Asking = (moment: Moment) => readonly Check[];

/** Key into a moment's expressions after USING. */
export function usingKey(table: Relation, column: string): string {
  return `${table.oid} ${column}`;
}

/** Numbers of the columns that an expression uses; undefined where it uses whole rows. */
export function numbersIn(table: Relation, sql: string): readonly number[] | undefined {
  const names = columnsIn(sql);
  if (names.has("*")) return undefined;
  return table.columns.filter(({ name }) => names.has(name)).map(({ number }) => number);
}
