import { identifier } from "../../../database/sql-text.ts";
import type { Column, Relation } from "../../facts.ts";
import { conversionsOf } from "../../preflight/casts.ts";
import type { HazardContext } from "../hazard.ts";
import { severityAt, type Worked } from "../locked.ts";
import type { Rule } from "../rule.ts";
import {
  alterColumn,
  alterTable,
  inTwoMigrations,
  keptOut,
  listOf,
  NEXT_MIGRATION,
  sqlName,
  withRows,
} from "../words.ts";
import { notNullByCheck } from "./scans.ts";
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
    ...retyped.map(({ column, to }) =>
      isOnTheWay(context, table, to)
        ? BACK_AND_FORTH
        : columnBeside(now, column.name, to.type, usingOf(context, column)),
    ),
    ...added.flatMap(({ column }) => addedWithoutRewrite(context, now, column)),
  ];
  return forms.length > 0 ? [...new Set(forms)].join("\n\n") : undefined;
}

const BACK_AND_FORTH =
  "The column takes another type and gets one of its old name back: each way is a rewrite. Leave the enum as it is, and forbid a value by a CHECK that is added NOT VALID and validated later.";

/** drizzle-kit takes a value from an enum through text, and back to a type made anew. */
function isOnTheWay(
  { script, statement, before }: HazardContext,
  table: Relation,
  { number }: Column,
): boolean {
  const { relations } = (script.statements.at(-1) ?? statement).facts;
  const typeIn = (relation: Relation | undefined) =>
    relation?.columns.find((column) => column.number === number)?.type;
  const type = typeIn(before.relations.get(table.oid));
  return type !== undefined && type === typeIn(relations.get(table.oid));
}

/** The expression after USING, as it is written. */
function usingOf({ nodes, statement }: HazardContext, column: Column): string | undefined {
  const [command] = nodes;
  if (command === undefined) return undefined;
  const conversions = conversionsOf({ ...command, sql: statement.sql });
  return conversions.find((conversion) => conversion.column === column.name)?.using;
}

function columnBeside(table: Relation, column: string, type: string, using: string | undefined): string {
  const old = identifier(column);
  const beside = identifier(`${column}_new`);
  const value = using === undefined ? `${old}::${type}` : `(${using})::${type}`;
  return [
    alterTable(table, `ADD COLUMN ${beside} ${type}`),
    "-- code writes both; then, in batches:",
    `UPDATE ${sqlName(table)} SET ${beside} = ${value} WHERE ${beside} IS DISTINCT FROM ${value};`,
    "-- once no running code uses the old one, and the new one has its default, indexes and constraints:",
    alterTable(table, `DROP COLUMN ${old}`),
    alterTable(table, `RENAME COLUMN ${beside} TO ${old}`),
  ].join("\n");
}

const GENERATED =
  "A stored generated column cannot be had without the rewrite; a plain one can, filled in batches and kept by a trigger.";

function addedWithoutRewrite(context: HazardContext, table: Relation, column: Column): readonly string[] {
  const { default: value, filled, notNull, type } = column;
  if (value === null) return [];
  if (filled) return [GENERATED];
  const name = identifier(column.name);
  const sequences = changesOf(context, "relation-created")
    .filter(({ relation }) => relation.kind === "S" && value.includes(relation.name))
    .map(({ relation }) => `CREATE SEQUENCE ${sqlName(relation)};`);
  const first = [
    ...sequences,
    alterTable(table, `ADD COLUMN ${name} ${type}`),
    alterColumn(table, column, `SET DEFAULT ${value}`),
  ];
  const fill = ["-- in batches:", `UPDATE ${sqlName(table)} SET ${name} = DEFAULT WHERE ${name} IS NULL;`];
  return [
    [inTwoMigrations(first, fill), ...(notNull ? [NEXT_MIGRATION, notNullByCheck(table, column)] : [])].join(
      "\n",
    ),
  ];
}
