import { identifier } from "../../../database/sql-text.ts";
import type { Relation } from "../../facts.ts";
import type { HazardContext } from "../hazard.ts";
import { severityAt, type Worked } from "../locked.ts";
import type { Rule } from "../rule.ts";
import { alterColumn, alterTable, inTwoMigrations, keptOut, listOf, sqlName, withRows } from "../words.ts";
import { changesOf, workBecauseOf } from "./work.ts";

/** Tables that get new files under a lock that keeps others out; whether they do was measured. */
export const REWRITE_RULES: readonly Rule[] = [
  {
    id: "table-rewrite",
    severity: "high",
    title: "A table in use is written anew",
    effect:
      "Reads and writes of the table wait until each row is copied and each index rebuilt; for that time it needs twice the disk.",
    safer:
      "A new column that is filled in batches and takes the old one's place. A volatile default is set after the column was added without it.",
    find: (context) =>
      workBecauseOf(context, "rewrite").map((worked) => ({
        message: `${keptOut(worked.lock.mode)} ${withRows(context, worked.table)} while it is written anew (${worked.lock.mode})`,
        severity: severityAt(context, worked.lock.relation, "high"),
        safer: withoutRewrite(context, worked),
      })),
  },
  {
    id: "truncated-table",
    severity: "high",
    title: "TRUNCATE of a table with rows",
    effect: "All rows are gone, also those of tables that CASCADE reaches; reads and writes wait meanwhile.",
    safer: "DELETE what is not needed, in batches, once nothing reads it; TRUNCATE only what is empty.",
    find: (context) => {
      const tables = workBecauseOf(context, "truncate").map(({ table }) => withRows(context, table));
      return tables.length === 0 ? [] : [{ message: `all rows of ${listOf(tables)} are deleted` }];
    },
  },
];

const BESIDE =
  "The extension pg_repack writes a table anew beside the one in use, and locks it only to change places.";

function withoutRewrite(context: HazardContext, { table, lock }: Worked): string | undefined {
  const now = context.facts.relations.get(table.oid) ?? table;
  if (table.kind === "m") return `REFRESH MATERIALIZED VIEW CONCURRENTLY ${sqlName(now)};`;
  if (context.nodes.some(({ type }) => type === "VacuumStmt" || type === "ClusterStmt")) return BESIDE;
  const oids = [table.oid, lock.relation.oid];
  const retyped = changesOf(context, "column-retyped").filter((change) => oids.includes(change.table.oid));
  const added = changesOf(context, "column-added").filter((change) => oids.includes(change.table.oid));
  const forms = [
    ...retyped.map(({ column, to }) => columnBeside(now, column.name, to.type)),
    ...added.flatMap(({ column }) =>
      column.default === null || column.filled
        ? []
        : [defaultLater(now, column.name, column.type, column.default)],
    ),
  ];
  return forms.length > 0 ? [...new Set(forms)].join("\n\n") : undefined;
}

function columnBeside(table: Relation, column: string, type: string): string {
  const old = identifier(column);
  const beside = identifier(`${column}_new`);
  return [
    alterTable(table, `ADD COLUMN ${beside} ${type}`),
    "-- code writes both; then, in batches:",
    `UPDATE ${sqlName(table)} SET ${beside} = ${old}::${type} WHERE ${beside} IS DISTINCT FROM ${old}::${type};`,
    "-- once no running code uses the old one:",
    alterTable(table, `DROP COLUMN ${old}`),
    alterTable(table, `RENAME COLUMN ${beside} TO ${old}`),
  ].join("\n");
}

function defaultLater(table: Relation, column: string, type: string, value: string): string {
  const name = identifier(column);
  return inTwoMigrations(
    [
      alterTable(table, `ADD COLUMN ${name} ${type}`),
      alterColumn(table, { name: column }, `SET DEFAULT ${value}`),
    ],
    ["-- in batches:", `UPDATE ${sqlName(table)} SET ${name} = DEFAULT WHERE ${name} IS NULL;`],
  );
}
