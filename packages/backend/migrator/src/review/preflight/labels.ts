import { literal } from "../../database/sql-text.ts";
import type { UserType } from "../facts.ts";
import { type Answer, askExamples } from "./check.ts";
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

/** Values that become an enum's: those that are no label of it. The labels are the copy's, so that the target need not have the type. */
export async function askLabels(looker: Looker, conversion: Conversion, target: UserType): Promise<Answer> {
  try {
    return await askOnce(looker, conversion, target);
  } catch (error) {
    if (!isTimeout(error) || conversion.percent !== undefined) throw error;
    return askOnce(looker, { ...conversion, percent: 1 }, target);
  }
}

async function askOnce(looker: Looker, conversion: Conversion, target: UserType): Promise<Answer> {
  const { state, column, value, percent, isPlain } = conversion;
  const session = conversion.session || state.session;
  const from = fromSql(state, { percent });
  const text = `((${value})::pg_catalog.text)`;
  const condition = `${text} <> all (array[${target.labels.map(literal).join(", ")}]::pg_catalog.text[])`;
  const values = await looker.ask<ValueCount>(
    `select value, count(*)::float8 as rows, (sum(count(*)) over ())::float8 as bad, (count(*) over ())::float8 as values
    from (select ${text} as value from ${from} where ${condition}) as found group by value order by rows desc, value limit 3`,
    session,
  );
  const name = showName(target);
  const sampled = percent !== undefined;
  const [first] = values;
  if (first === undefined) {
    const [{ rows } = { rows: 0 }] = await looker.ask<{ rows: number }>(
      `select count(*)::float8 as rows from ${from}`,
      session,
    );
    return {
      outcome: "passes",
      message: `checked: all values are labels of ${name} in ${showExtent(rows, percent)}`,
      count: 0,
      sampled,
    };
  }
  const shown = values.map(({ value: one, rows }) =>
    isPlain
      ? `${counted(rows, "row has", "rows have")} ${column.name} = ${showValue(one)}`
      : `${counted(rows, "row gets", "rows get")} ${showValue(one)} for ${column.name}`,
  );
  const more = first.values > values.length ? `, and so on (${counted(first.bad, "row")} in all)` : "";
  const ending = first.values === 1 ? `which is no label of ${name}` : `which are no labels of ${name}`;
  return {
    outcome: "fails",
    message: `${shown.join(", ")}${more}${sampled ? ` (of a sample of ${percent} %)` : ""}, ${ending}`,
    count: first.bad,
    sampled,
    examples: await askExamples(looker, state, `${from} where ${condition}`, session),
  };
}
