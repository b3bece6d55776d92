import { identifier, literal } from "../../../database/sql-text.ts";
import type { Column, Relation, UserType } from "../../facts.ts";
import type { HazardContext } from "../hazard.ts";
import type { Found, Rule } from "../rule.ts";
import { alterTable, inTwoMigrations, listOf, spoken, sqlName } from "../words.ts";
import { columnBefore, columnServes, knownBefore, nounOf, severityFor, stillServes } from "./deploys.ts";
import { changesOf } from "./work.ts";

const WHILE_DEPLOYING =
  "Between this migration and the moment when the last process of the old code has stopped, that code";

/** Names that the code of the last deploy may still use; seen in the catalog, so that CASCADE and DO blocks count too. */
export const GONE_RULES: readonly Rule[] = [
  {
    id: "dropped-table",
    severity: "high",
    title: "A table or view is dropped while running code may use it",
    effect: `${WHILE_DEPLOYING} fails with 42P01 (relation does not exist) wherever it uses it.`,
    safer: "Deploy code that does not use it, then drop it with the next deploy.",
    find: (context) =>
      changesOf(context, "relation-dropped").flatMap(({ relation }): readonly Found[] => {
        const was = knownBefore(context, relation.oid);
        if (was === undefined || stillServes(context, was)) return [];
        return [
          {
            message: `${nounOf(was)} ${spoken(was)} is dropped`,
            severity: severityFor(context, was, "high"),
          },
        ];
      }),
  },
  {
    id: "renamed-table",
    severity: "high",
    title: "A table or view is renamed while running code may use it",
    effect: `${WHILE_DEPLOYING} fails with 42P01 (relation does not exist) wherever it uses the old name.`,
    safer: "Leave a view under the old name, and drop it with the next deploy.",
    find: (context) =>
      changesOf(context, "relation-renamed").flatMap(({ relation, to }): readonly Found[] => {
        const was = knownBefore(context, relation.oid);
        if (was === undefined || stillServes(context, was)) return [];
        return [
          {
            message: `${nounOf(was)} ${spoken(was)} is called ${spoken(to)} from now on`,
            severity: severityFor(context, was, "high"),
            safer: inTwoMigrations(
              [
                `${context.statement.sql.replace(/;?\s*$/, "")};`,
                `CREATE VIEW ${sqlName(was)} AS SELECT * FROM ${sqlName(to)};`,
              ],
              [`DROP VIEW ${sqlName(was)};`],
            ),
          },
        ];
      }),
  },
  {
    id: "dropped-column",
    severity: "high",
    title: "A column is dropped while running code may use it",
    effect: `${WHILE_DEPLOYING} fails with 42703 (column does not exist) wherever it names the column, as an ORM's SELECT does with every column.`,
    safer: "Deploy code whose schema does not have the column, then drop it with the next deploy.",
    find: (context) =>
      columnsGone(context, "column-dropped", (was, column) => ({
        message: `column ${spoken(was)}.${column.name} is dropped`,
      })),
  },
  {
    id: "renamed-column",
    severity: "high",
    title: "A column is renamed while running code may use it",
    effect: `${WHILE_DEPLOYING} fails with 42703 (column does not exist) wherever it uses the old name.`,
    safer:
      "Add the new column, write to both, move the values, and drop the old one once no running code uses it.",
    find: (context) =>
      columnsGone(context, "column-renamed", (was, column, to) => ({
        message: `column ${spoken(was)}.${column.name} is called ${to.name} from now on`,
        safer: besides(was, column, to),
      })),
  },
  {
    id: "removed-enum-value",
    severity: "high",
    title: "An enum value is renamed or removed while running code may use it",
    effect: `${WHILE_DEPLOYING} fails with 22P02 (invalid input value for enum) wherever it writes or compares the old value.`,
    safer:
      "Add the new value, deploy code that no longer writes the old one, and move the rows. The old one may stay in the type, forbidden by a CHECK.",
    find: labelsGone,
  },
];

function columnsGone(
  context: HazardContext,
  type: "column-dropped" | "column-renamed",
  found: (was: Relation, column: Column, to: Column) => Found,
): readonly Found[] {
  return changesOf(context, type).flatMap((change): readonly Found[] => {
    const was = knownBefore(context, change.table.oid);
    const column = was && columnBefore(was, change.column);
    if (was === undefined || column === undefined || columnServes(context, was, column)) return [];
    const to = "to" in change ? change.to : column;
    return [{ severity: severityFor(context, was, "high"), ...found(was, column, to) }];
  });
}

function besides(table: Relation, column: Column, to: Column): string {
  const [old, beside] = [identifier(column.name), identifier(to.name)];
  return [
    alterTable(table, `ADD COLUMN ${beside} ${column.type}`),
    "-- code writes both; then, in batches:",
    `UPDATE ${sqlName(table)} SET ${beside} = ${old} WHERE ${beside} IS DISTINCT FROM ${old};`,
    "-- once no running code uses the old one:",
    alterTable(table, `DROP COLUMN ${old}`),
  ].join("\n");
}

/** drizzle-kit takes a value away by dropping the type and making it again: what counts is how the file leaves it. */
function labelsGone(context: HazardContext): readonly Found[] {
  const { script, statement, facts, before } = context;
  const { types } = (script.statements.at(-1) ?? statement).facts;
  const touched = [...before.types.values()].filter(({ oid, kind }) => {
    const [was, is] = [facts.types.get(oid), statement.facts.types.get(oid)];
    return kind === "e" && was !== undefined && lost(was, is).length > 0;
  });
  return touched.flatMap((type): readonly Found[] => {
    const left = [...types.values()].find(({ schema, name }) => schema === type.schema && name === type.name);
    const gone = left === undefined ? [] : lost(type, left);
    if (gone.length === 0) return [];
    const instead = left?.labels.filter((label) => !type.labels.includes(label)) ?? [];
    const isOrAre = (labels: readonly string[]) => (labels.length === 1 ? "is" : "are");
    const others =
      instead.length > 0 ? `, and there ${isOrAre(instead)} ${listOf(instead.map(literal))}` : "";
    return [
      {
        message: `${listOf(gone.map(literal))} of ${type.name} ${isOrAre(gone)} gone${others}`,
        safer: instead.length > 0 ? addLabels(type, instead) : forbidLabels(context, type, gone),
      },
    ];
  });
}

function addLabels(type: UserType, labels: readonly string[]): string {
  return labels.map((label) => `ALTER TYPE ${sqlName(type)} ADD VALUE ${literal(label)};`).join("\n");
}

/** The type keeps the value, and no table is written anew. */
function forbidLabels(
  { before }: HazardContext,
  type: UserType,
  labels: readonly string[],
): string | undefined {
  const forms = [...before.relations.values()].flatMap((table) =>
    table.columns
      .filter(({ typeOid }) => typeOid === type.oid && table.kind !== "v" && table.kind !== "m")
      .map(({ name }) => {
        const constraint = identifier(`${table.name}_${name}_left_out`);
        const check = `CHECK (${identifier(name)} NOT IN (${labels.map(literal).join(", ")})) NOT VALID`;
        return inTwoMigrations(
          [alterTable(table, `ADD CONSTRAINT ${constraint} ${check}`)],
          [alterTable(table, `VALIDATE CONSTRAINT ${constraint}`)],
        );
      }),
  );
  return forms.length > 0 ? forms.join("\n\n") : undefined;
}

function lost(was: UserType, is: UserType | undefined): readonly string[] {
  return was.labels.filter((label) => !is?.labels.includes(label));
}
