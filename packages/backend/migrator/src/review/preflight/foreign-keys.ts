import { identifier } from "../../database/sql-text.ts";
import type { Constraint, Relation } from "../facts.ts";
import { askRows, type Check, tell } from "./check.ts";
import type { Asking, Moment } from "./moment.ts";
import { checkedConstraints } from "./rows.ts";
import { fromSql, type Origin, originOf } from "./tables.ts";
import { showName } from "./words.ts";

/** OIDs below are PostgreSQL's own. Source: FirstNormalObjectId in PostgreSQL's transam.h. */
const FIRST_OWN_OID = 16_384;

/** ADD FOREIGN KEY and VALIDATE: which rows refer to nothing. */
export const foreignKey: Asking = (moment) =>
  checkedConstraints(moment, "f").flatMap((constraint) => foreignKeyCheck(moment, constraint));

function foreignKeyCheck(moment: Moment, constraint: Constraint): readonly Check[] {
  const { table, referenced, matchFull, name } = constraint;
  const state = moment.stateAfter(table);
  const other = moment.after.relations.get(referenced);
  if (state === undefined || other === undefined) return [];
  const columns = columnsOf(state.now, constraint.columns);
  const otherColumns = columnsOf(other, constraint.referencedColumns);
  const known = moment.stateAfter(referenced);
  const names = columns.map((column) => column.name);
  const label = names.length === 1 ? names.join("") : `(${names.join(", ")})`;
  const own = (column: string) => `${identifier(state.now.name)}.${identifier(column)}`;
  const isSet = columns.map((column) => `${own(column.name)} is not null`).join(" and ");
  const isPartly = `(${columns.map((column) => `${own(column.name)} is not null`).join(" or ")}) and not (${isSet})`;
  const keys = otherColumns.map((_, index) => identifier(`referenced_${index}`));
  const rows = known && {
    sql: `(select ${otherColumns.map((column, index) => `${identifier(column.name)} as ${keys[index]}`).join(", ")} from ${fromSql(known)}) as migrator_referenced`,
    match: columns
      .map((column, index) => `migrator_referenced.${keys[index]} = ${own(column.name)}`)
      .join(" and "),
  };
  const orphan = rows ? `${isSet} and not exists (select from ${rows.sql} where ${rows.match})` : isSet;
  const condition = matchFull && columns.length > 1 ? `((${orphan}) or (${isPartly}))` : orphan;
  const referencedName = known ? showName(known.target) : showName(other);
  const isTyped = [...columns, ...otherColumns].some(({ typeOid }) => typeOid >= FIRST_OWN_OID);
  return [
    {
      check: "foreign-key",
      object: showName(state.target),
      ...originOfBoth(
        originOf(state, new Set(columns.map((column) => column.name))),
        known && originOf(known, new Set(otherColumns.map((column) => column.name))),
      ),
      writtenBy:
        moment.writerOf(table, constraint.columns) ??
        moment.writerOf(referenced, known ? constraint.referencedColumns : undefined),
      ask: async (looker) =>
        tell(
          await askRows(looker, {
            state,
            condition,
            joins: true,
            // An operator of an extension's type is found only where that extension's schema is looked into.
            session: isTyped || known?.session === true,
            percent: moment.percentOf(table),
          }),
          {
            bad: "fails",
            one: `has no match in ${referencedName} for ${label} (${name})`,
            many: `have no match in ${referencedName} for ${label} (${name})`,
            none: `every ${label} is in ${referencedName}`,
          },
        ),
    },
  ];
}

function originOfBoth(one: Origin, other: Origin | undefined): Origin {
  return {
    changedBy: one.changedBy ?? other?.changedBy,
    convertedBy: one.convertedBy ?? other?.convertedBy,
  };
}

function columnsOf({ columns }: Relation, numbers: readonly number[]) {
  return numbers.flatMap((number) => columns.find((column) => column.number === number) ?? []);
}
