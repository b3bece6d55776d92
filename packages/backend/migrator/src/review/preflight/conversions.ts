import { isWidening } from "../../catalog/safe.ts";
import { identifier } from "../../database/sql-text.ts";
import type { Column, Relation, UserType } from "../facts.ts";
import { withoutCasts } from "./casts.ts";
import type { Answer, Check } from "./check.ts";
import { askConversion, type Conversion } from "./convert.ts";
import { uniqueCheck } from "./keys.ts";
import { askLabels } from "./labels.ts";
import { isOfData } from "./looker.ts";
import { type Asking, type Moment, usingKey } from "./moment.ts";
import { checkOf, valueCheck } from "./rows.ts";
import { columnsIn, expressionOf, replaceTypes } from "./syntax.ts";
import { isConverted, originOf } from "./tables.ts";
import { isNamed, namedOnTarget, type Types, typeOnTarget } from "./types.ts";
import { showName } from "./words.ts";

/** ALTER COLUMN … TYPE: which values do not convert, and which are not the same afterwards. */
export const typeChange: Asking = (moment) =>
  moment.changes.flatMap((change): readonly Check[] => {
    if (change.type !== "column-retyped" || !isConverted(change.column, change.to)) return [];
    return [
      ...conversionCheck(moment, change.table, change.column, change.to),
      ...(keepsApart(moment, change) ? [] : rechecks(moment, change.table.oid, change.to)),
    ];
  });

export function conversionCheck(
  moment: Moment,
  table: Relation,
  column: Column,
  to: Column,
): readonly Check[] {
  const state = moment.stateBefore(table.oid);
  const using = moment.usings.get(usingKey(table, column.name));
  if (state === undefined || (column.filled && column.default !== null)) return [];
  const { inner, types: casts } = withoutCasts(using ?? identifier(column.name));
  const isPlain = expressionOf(inner)?.ColumnRef !== undefined && columnsIn(inner).has(column.name);
  if (
    isPlain &&
    casts.length <= 1 &&
    isWidening(column.type, to.type) &&
    isSameTwice(moment.types, column, to)
  )
    return [];
  if (isPlain && isText(to) && casts.every((names) => names.at(-1) === "text")) return [];
  const labels = moment.types.made.get(to.typeOid) ?? moment.types.old.get(to.typeOid);
  const value = using === undefined ? identifier(column.name) : using;
  const targetName = state.target.columns.find(({ number }) => number === column.number)?.name ?? column.name;
  const origin = originOf(state, new Set([column.name]));
  const conversion: Conversion = {
    state,
    column,
    targetName,
    to,
    type: typeOnTarget(moment.types, to.typeOid, to.type),
    value: replaceTypes(value, namedOnTarget(moment.types)),
    isPlain,
    casts,
    session: using !== undefined,
    convertedBy: origin.convertedBy,
    percent: moment.percentOf(table.oid),
  };
  const element = moment.types.facts.get(to.typeOid)?.element ?? 0;
  const asEnum = [moment.after.types.get(to.typeOid), moment.after.types.get(element)].find(
    (one) => one?.kind === "e",
  );
  return [
    {
      check: "type",
      object: showName(state.target, targetName),
      ...origin,
      writtenBy: moment.writerOf(table.oid, [column.number]),
      ask: async (looker): Promise<Answer | undefined> =>
        asEnum
          ? askLabels(
              looker,
              { ...conversion, value: asText(value, moment.types, asEnum) },
              asEnum,
              element !== 0,
            )
          : askConversion(looker, conversion, moment.types),
    },
    ...(labels?.kind === "d" && moment.types.made.has(to.typeOid) ? domainChecks(moment, table.oid, to) : []),
  ];
}

/** Values become of a new domain's type unseen: the target does not have it. */
function domainChecks(moment: Moment, table: number, to: Column): readonly Check[] {
  return [...moment.after.constraints.values()].flatMap(({ domain, expression, name }) =>
    domain === to.typeOid && expression !== null
      ? valueCheck(moment, table, to.name, { expression, name })
      : [],
  );
}

/** All casts to the enum, so that a value that it lacks is found and not run into. */
function asText(value: string, types: Types, target: UserType): string {
  const others = namedOnTarget(types);
  return replaceTypes(value, (names) => (isNamed(target, names) ? "pg_catalog.text" : others(names)));
}

/** What every value has a form in. */
function isText({ type }: Column): boolean {
  return type === "text" || type === "character varying";
}

/** Whether a type is the same before and after, but for its length: a rebuilt enum keeps its name. */
function isSameTwice({ made, old }: Types, column: Column, to: Column): boolean {
  return column.typeOid === to.typeOid || !(made.has(to.typeOid) || old.has(to.typeOid));
}

/** Whether no two values become one, and each stays what it was: numbers without fractions, labels, texts that are not cut. */
function keepsApart(
  { types, usings }: Moment,
  { table, column, to }: { readonly table: Relation; readonly column: Column; readonly to: Column },
): boolean {
  const using = usings.get(usingKey(table, column.name));
  const { inner, types: casts } = withoutCasts(using ?? identifier(column.name));
  if (expressionOf(inner)?.ColumnRef === undefined || !columnsIn(inner).has(column.name)) return false;
  const isWhole = ({ type }: Column) => ["smallint", "integer", "bigint"].includes(type);
  const isEnum = ({ typeOid }: Column) => (types.made.get(typeOid) ?? types.old.get(typeOid))?.kind === "e";
  const isText = ({ type }: Column) => /^(text|character varying(\(\d+\))?)$/.test(type);
  const isPlainText = (one: Column) => isText(one) || isEnum(one);
  return (
    (isWhole(column) && isWhole(to)) ||
    (isPlainText(column) && (isEnum(to) || (isText(to) && casts.length === 0)))
  );
}

/** What a table's other rules say to the new values: PostgreSQL checks them again when it writes the table anew. */
function rechecks(moment: Moment, table: number, to: Column): readonly Check[] {
  const state = moment.stateAfter(table);
  if (state === undefined) return [];
  const { constraints, indexes } = moment.before;
  const isNew = (oid: number, known: ReadonlyMap<number, unknown>) => !known.has(oid);
  const checks = [...moment.after.constraints.values()].filter(
    ({ oid, type, table: own, columns, validated }) =>
      type === "c" && own === table && validated && columns.includes(to.number) && !isNew(oid, constraints),
  );
  const uniques = [...moment.after.indexes.values()].filter(
    ({ unique, table: own, keys, valid, definition }) =>
      unique &&
      own === table &&
      valid &&
      keys.some((key) => columnsIn(key).has(to.name)) &&
      [...indexes.values()].some((index) => index.definition === definition),
  );
  const asked = [
    ...checks.flatMap(({ expression, name }) =>
      expression === null ? [] : checkOf(moment, table, expression, name),
    ),
    ...uniques.flatMap((index) => uniqueCheck(moment, index)),
  ];
  return asked.map((check) => ({
    ...check,
    glance: check.glance && quietly(check.glance),
    ask: quietly(check.ask),
  }));
}

/** Only what is broken by the new values: those that do not convert are told already, and what holds needs no words. */
function quietly(ask: Check["ask"]): Check["ask"] {
  return async (looker) => {
    try {
      const answer = await ask(looker);
      return answer?.outcome === "fails" ? answer : undefined;
    } catch (error) {
      if (isOfData(error)) return undefined;
      throw error;
    }
  };
}
