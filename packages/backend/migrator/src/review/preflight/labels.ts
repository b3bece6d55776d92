import { literal } from "../../database/sql-text.ts";
import type { UserType } from "../facts.ts";
import { type Answer, askExamples, LESS_PERCENT } from "./check.ts";
import type { Conversion } from "./convert.ts";
import { isTimeout, type Looker } from "./looker.ts";
import { fromSql } from "./tables.ts";
import { counted, showExtent, showName, showValue } from "./words.ts";

interface ValueCount {
  readonly value: string;
  readonly rows: number;
  /** Rows and values of all that are in the way. */
  readonly bad: number;
  readonly values: number;
}

/**
 * Values that become an enum's: those that are no label of it. The labels are the copy's, so that the target need not have
 * the type.
 * @param isArray whether each value is an array of them
 */
export async function askLabels(
  looker: Looker,
  conversion: Conversion,
  target: UserType,
  isArray: boolean,
): Promise<Answer> {
  try {
    return await askOnce(looker, conversion, target, isArray);
  } catch (error) {
    if (!isTimeout(error) || conversion.percent !== undefined) throw error;
    return askOnce(looker, { ...conversion, percent: LESS_PERCENT }, target, isArray);
  }
}

async function askOnce(
  looker: Looker,
  conversion: Conversion,
  target: UserType,
  isArray: boolean,
): Promise<Answer> {
  const { state, value, percent } = conversion;
  const session = conversion.session || state.session;
  const from = fromSql(state, { percent });
  const isMissing = (text: string) =>
    `${text} <> all (array[${target.labels.map(literal).join(", ")}]::pg_catalog.text[])`;
  const text = isArray ? "element.text" : `((${value})::pg_catalog.text)`;
  const elements = `(select distinct unnested as text from pg_catalog.unnest((${value})::pg_catalog.text[]) as unnested)`;
  const source = isArray ? `${from} cross join lateral ${elements} as element` : from;
  const values = await looker.ask<ValueCount>(
    `select value, count(*)::float8 as rows, (sum(count(*)) over ())::float8 as bad, (count(*) over ())::float8 as values
    from (select ${text} as value from ${source} where ${isMissing(text)}) as found group by value order by rows desc, value limit 3`,
    session,
  );
  const sampled = percent !== undefined;
  const [first] = values;
  if (first === undefined) {
    const count = `select count(*)::float8 as rows from ${from}`;
    const [{ rows } = { rows: 0 }] = await looker.ask<{ rows: number }>(count, session);
    const message = `checked: all values are labels of ${showName(target)} in ${showExtent(rows, percent)}`;
    return { outcome: "passes", message, count: 0, sampled };
  }
  return {
    outcome: "fails",
    message: messageOf(conversion, target, values, isArray),
    count: first.bad,
    sampled,
    examples: await askExamples(
      looker,
      state,
      isArray
        ? `${from} where exists (select from ${elements} as element where ${isMissing(text)})`
        : `${from} where ${isMissing(text)}`,
      session,
    ),
  };
}

/** "2 rows have store = 'Amazon', which is no label of wish_store" */
function messageOf(
  { column, percent, isPlain }: Conversion,
  target: UserType,
  values: readonly ValueCount[],
  isArray: boolean,
): string {
  const shown = values.map(({ value, rows }) => {
    if (isArray) return `${counted(rows, "row has", "rows have")} ${showValue(value)} in ${column.name}`;
    return isPlain
      ? `${counted(rows, "row has", "rows have")} ${column.name} = ${showValue(value)}`
      : `${counted(rows, "row gets", "rows get")} ${showValue(value)} for ${column.name}`;
  });
  const [first] = values;
  const all =
    first && first.values > values.length ? `, and so on (${counted(first.bad, "row")} in all)` : "";
  const sample = percent === undefined ? "" : ` (of a sample of ${percent} %)`;
  const ending = first?.values === 1 ? "which is no label" : "which are no labels";
  return `${shown.join(", ")}${all}${sample}, ${ending} of ${showName(target)}`;
}
