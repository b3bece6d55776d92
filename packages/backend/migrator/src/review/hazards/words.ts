import { identifier } from "../../database/sql-text.ts";
import type { Column, Constraint, Relation } from "../facts.ts";
import type { Blocking, LockMode } from "../locks.ts";
import { blockingOf } from "../locks.ts";
import type { ObservedStatement } from "../observed.ts";
import type { HazardContext } from "./hazard.ts";

/** Between two parts of a safer form that must not run in one transaction. */
export const NEXT_MIGRATION = "-- in the next migration:";

type Named = Pick<Relation, "schema" | "name">;

/** `orders`, `audit.orders`: as people say it. */
export function spoken({ schema, name }: Named): string {
  return schema === "public" ? name : `${schema}.${name}`;
}

/** A name as drizzle-kit writes it. */
export function sqlName({ schema, name }: Named): string {
  return schema === "public" ? identifier(name) : `${identifier(schema)}.${identifier(name)}`;
}

export function alterTable(table: Named, action: string): string {
  return `ALTER TABLE ${sqlName(table)} ${action};`;
}

export function alterColumn(table: Named, column: Pick<Column, "name">, action: string): string {
  return alterTable(table, `ALTER COLUMN ${identifier(column.name)} ${action}`);
}

/** `orders (about 5,000,000 rows)` */
export function withRows({ heat }: Pick<HazardContext, "heat">, relation: Relation): string {
  const rows = heat.rowsOf(relation.oid);
  return rows === undefined
    ? spoken(relation)
    : `${spoken(relation)} (about ${rows.toLocaleString("en")} rows)`;
}

const KEPT_OUT: Readonly<Record<Blocking, string>> = {
  "reads and writes": "nobody can read or write",
  writes: "nobody can write to",
  nothing: "nobody can alter",
};

/** "nobody can write to" */
export function keptOut(mode: LockMode): string {
  return KEPT_OUT[blockingOf(mode)];
}

/** "statement 3, line 12" */
export function placeOf({ number, line }: ObservedStatement): string {
  return `statement ${number}, line ${line}`;
}

export function listOf(items: readonly string[]): string {
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}

/** A constraint's columns as written in a key: `"a", "b"`. */
export function columnsOf(table: Relation | undefined, { columns }: Pick<Constraint, "columns">): string {
  return columns
    .map((number) => identifier(table?.columns.find((column) => column.number === number)?.name ?? "?"))
    .join(", ");
}

/** In two transactions, of which the second does the long part and keeps nobody out. */
export function inTwoMigrations(first: readonly string[], second: readonly string[]): string {
  return [...first, NEXT_MIGRATION, ...second].join("\n");
}
