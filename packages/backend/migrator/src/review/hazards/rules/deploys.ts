import type { Column, Relation } from "../../facts.ts";
import type { HazardContext, Severity } from "../hazard.ts";
import { relationsNamedBy } from "../nodes.ts";

/**
 * What the code of the last deploy knows of a relation: undefined for what the plan itself has made. Partitions are left out
 * where the statement names their table, which says it for all of them.
 */
export function knownBefore(context: HazardContext, oid: number): Relation | undefined {
  const was = context.before.relations.get(oid);
  if (was === undefined || ["S", "i", "I"].includes(was.kind) || was.schema === "pg_toast") return undefined;
  const named = relationsNamedBy(context);
  const isPart = named.some(({ kind }) => kind === "p") && !named.some((one) => one.oid === oid);
  return isPart ? undefined : was;
}

export function columnBefore(table: Relation, { number }: Column): Column | undefined {
  return table.columns.find((column) => column.number === number);
}

/** Whether the file leaves something under the old name that has all the columns: another table, or a view for old code. */
export function stillServes({ script, statement }: HazardContext, was: Relation): boolean {
  const { relations } = (script.statements.at(-1) ?? statement).facts;
  return [...relations.values()].some(
    ({ schema, name, columns }) =>
      schema === was.schema &&
      name === was.name &&
      was.columns.every((old) => columns.some((column) => column.name === old.name)),
  );
}

/**
 * Whether the file leaves a column of the old name in what has the table's old name: the same, or one made anew, and not one
 * that code knows by another name.
 */
export function columnServes({ script, statement }: HazardContext, was: Relation, column: Column): boolean {
  const { relations } = (script.statements.at(-1) ?? statement).facts;
  return [...relations.values()].some(({ oid, schema, name, columns }) => {
    const left = columns.find((one) => one.name === column.name);
    if (schema !== was.schema || name !== was.name || left === undefined) return false;
    const known = oid === was.oid ? columnBefore(was, left) : undefined;
    return known === undefined || known.name === column.name;
  });
}

/** A table without a row is hardly in use. */
export function severityFor({ heat }: HazardContext, { oid }: Relation, severity: Severity): Severity {
  return heat.rowsOf(oid) === 0 ? "low" : severity;
}

export function nounOf({ kind }: Relation): string {
  if (kind === "m") return "materialized view";
  return kind === "v" ? "view" : "table";
}
