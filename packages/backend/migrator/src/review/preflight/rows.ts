import { identifier } from "../../database/sql-text.ts";
import type { Constraint } from "../facts.ts";
import { askRows, type Check, tell } from "./check.ts";
import { type Asking, type Moment, numbersIn } from "./moment.ts";
import { replaceTypes } from "./syntax.ts";
import { isGenerated, originIn, originOf } from "./tables.ts";
import { baseOf, namedOnTarget } from "./types.ts";
import { counted, showName } from "./words.ts";

/** SET NOT NULL, and the columns of a new primary key: how many rows have no value. */
export const notNull: Asking = (moment) =>
  moment.changes.flatMap((change): readonly Check[] => {
    if (change.type !== "not-null-set") return [];
    const { oid } = change.table;
    const { name, number } = change.column;
    const state = moment.stateAfter(oid);
    if (state === undefined) return [];
    const column = state.target.columns.find((one) => one.number === number)?.name ?? name;
    return [
      {
        check: "not-null",
        object: showName(state.target, column),
        ...originOf(state, new Set([name])),
        writtenBy: moment.writerOf(oid, [number]),
        ask: async (looker) =>
          tell(
            await askRows(looker, {
              state,
              condition: `${identifier(name)} is null`,
              percent: moment.percentOf(oid),
            }),
            { bad: "fails", one: `has no ${name}`, many: `have no ${name}`, none: `no NULL` },
          ),
      },
    ];
  });

/** ADD COLUMN … NOT NULL with nothing to fill it: fails as soon as there is a row. */
export const requiredColumn: Asking = (moment) =>
  moment.changes.flatMap((change): readonly Check[] => {
    if (change.type !== "column-added") return [];
    const { table, column } = change;
    const isRequired = column.notNull || moment.types.facts.get(column.typeOid)?.notNull === true;
    const state = moment.stateAfter(table.oid);
    if (state === undefined || !isRequired || column.default !== null || column.filled) return [];
    return [
      {
        check: "not-null",
        object: showName(state.target, column.name),
        writtenBy: moment.writerOf(table.oid),
        ask: async (looker) => {
          const { rows, examples, percent } = await askRows(looker, {
            state,
            condition: "true",
            percent: moment.percentOf(table.oid),
          });
          const sampled = percent !== undefined;
          if (rows === 0 && !sampled)
            return { outcome: "passes", message: "checked: the table is empty", count: 0 };
          const message = `${counted(rows, "row")}${sampled ? ` of a sample of ${percent} %` : ""} would have no ${column.name}, which is NOT NULL and has no default`;
          return { outcome: "fails", message, count: rows, sampled, examples };
        },
      },
    ];
  });

/** ADD COLUMN … GENERATED ALWAYS AS … STORED: it is computed for each row. */
export const generatedColumn: Asking = (moment) =>
  moment.changes.flatMap((change): readonly Check[] => {
    if (change.type !== "column-added") return [];
    const { table, column } = change;
    const state = moment.stateAfter(table.oid);
    const { locks } = moment.statement;
    // One that is not stored is computed when it is read.
    const isComputed =
      column.notNull || locks.some(({ relation, rewrites }) => relation.oid === table.oid && rewrites);
    if (state === undefined || !isGenerated(column) || !isComputed) return [];
    const uses = column.default ?? "";
    return [
      {
        check: "generated",
        object: showName(state.target, column.name),
        ...originIn(state, uses),
        writtenBy: moment.writerOf(table.oid, numbersIn(state.now, uses)),
        ask: async (looker) => {
          const condition = `${identifier(column.name)} is null`;
          const answer = await askRows(looker, { state, condition, percent: moment.percentOf(table.oid) });
          if (!column.notNull) return undefined;
          return tell(answer, {
            bad: "fails",
            one: `would have no ${column.name}, which is NOT NULL`,
            many: `would have no ${column.name}, which is NOT NULL`,
            none: "no NULL",
          });
        },
      },
    ];
  });

/** Constraints that a statement makes PostgreSQL check on the rows that are there. */
export function checkedConstraints({ changes }: Moment, type: string): readonly Constraint[] {
  return changes.flatMap((change) =>
    (change.type === "constraint-added" || change.type === "constraint-validated") &&
    change.constraint.type === type &&
    change.constraint.validated
      ? [change.constraint]
      : [],
  );
}

/** ADD CHECK and VALIDATE: how many rows the expression is false for. */
export const checkConstraint: Asking = (moment) =>
  checkedConstraints(moment, "c").flatMap(({ table, domain, expression, name }): readonly Check[] =>
    domain !== 0 || expression === null ? [] : checkOf(moment, table, expression, name),
  );

/** @param expression as the copy tells it after the statement */
export function checkOf(moment: Moment, table: number, expression: string, name: string): readonly Check[] {
  const state = moment.stateAfter(table);
  if (state === undefined) return [];
  const told = replaceTypes(expression, namedOnTarget(moment.types));
  const words = { bad: "fails", one: `does not satisfy ${name}`, many: `do not satisfy ${name}` } as const;
  return [
    {
      check: "check",
      object: showName(state.target),
      ...originIn(state, expression),
      writtenBy: moment.writerOf(table, numbersIn(state.now, expression)),
      ask: async (looker) =>
        tell(await askRows(looker, { state, condition: `not (${told})`, percent: moment.percentOf(table) }), {
          ...words,
          none: `${name} holds`,
        }),
    },
  ];
}

/** A domain's new or validated CHECK: how many values in columns of that domain it is false for. */
export const domainConstraint: Asking = (moment) =>
  checkedConstraints(moment, "c").flatMap(({ domain, expression, name }): readonly Check[] => {
    if (domain === 0 || expression === null) return [];
    return [...moment.after.relations.values()].flatMap(({ oid, columns, kind }) =>
      kind !== "r" && kind !== "m"
        ? []
        : columns
            .filter(({ typeOid }) => isOfDomain(moment, typeOid, domain))
            .flatMap((column) => valueCheck(moment, oid, column.name, { expression, name })),
    );
  });

function isOfDomain(moment: Moment, type: number, domain: number): boolean {
  if (type === domain) return true;
  const base = moment.types.facts.get(type)?.base ?? 0;
  return base !== 0 && baseOf(moment.types, type) !== type && isOfDomain(moment, base, domain);
}

export function valueCheck(
  moment: Moment,
  table: number,
  column: string,
  { expression, name }: { readonly expression: string; readonly name: string },
): readonly Check[] {
  const state = moment.stateAfter(table);
  const number = state?.now.columns.find((one) => one.name === column)?.number ?? 0;
  if (state === undefined) return [];
  const target = state.target.columns.find((one) => one.number === number)?.name ?? column;
  // VALUE, which a domain calls its value, is the name of a column here.
  const told = replaceTypes(expression, namedOnTarget(moment.types));
  const condition = `(select not (${told}) from (select ${identifier(column)} as "value") as domain_value)`;
  return [
    {
      check: "domain",
      object: showName(state.target, target),
      ...originOf(state, new Set([column])),
      writtenBy: moment.writerOf(table, [number]),
      ask: async (looker) =>
        tell(await askRows(looker, { state, condition, percent: moment.percentOf(table) }), {
          bad: "fails",
          one: `has a value in ${target} that does not satisfy ${name}`,
          many: `have values in ${target} that do not satisfy ${name}`,
          none: `${name} holds`,
        }),
    },
  ];
}
