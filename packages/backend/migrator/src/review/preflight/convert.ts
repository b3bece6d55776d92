import { identifier, literal } from "../../database/sql-text.ts";
import type { Column } from "../facts.ts";
import { type Answer, askRows, LESS_PERCENT, tell } from "./check.ts";
import { isOfData, isTimeout, type Looker, reasonOf } from "./looker.ts";
import { columnsIn } from "./syntax.ts";
import { fromSql, keySql, type TableState } from "./tables.ts";
import { baseOf, categoryOf, type Types, typeOnTarget } from "./types.ts";
import { counted, showExtent, showValue } from "./words.ts";

/** A column that gets another type, as it is put to the target. */
export interface Conversion {
  readonly state: TableState;
  /** As the statement meets it. */
  readonly column: Column;
  /** As the target calls it. */
  readonly targetName: string;
  readonly to: Column;
  /** The new type on the target. */
  readonly type: string;
  /** The expression that makes the new values, without the cast to the new type that PostgreSQL adds. */
  readonly value: string;
  /** Whether that is the column alone, with nothing but casts around it. */
  readonly isPlain: boolean;
  /** Types that it is cast to, outermost first. */
  readonly casts: readonly (readonly string[])[];
  readonly session: boolean;
  /** The earlier statement that converts the values too. */
  readonly convertedBy: string | undefined;
  readonly percent: number | undefined;
}

/** Converts the values on the target as the statement would, and tells which do not convert, or come out as others. */
export async function askConversion(
  looker: Looker,
  conversion: Conversion,
  types: Types,
): Promise<Answer | undefined> {
  try {
    return await askOnce(looker, conversion, types);
  } catch (error) {
    if (!isTimeout(error) || conversion.percent !== undefined) throw error;
    return askOnce(looker, { ...conversion, percent: LESS_PERCENT }, types);
  }
}

async function askOnce(looker: Looker, conversion: Conversion, types: Types): Promise<Answer | undefined> {
  const { state, percent, value, column, to } = conversion;
  const session = conversion.session || state.session;
  const tooLong = tooLongSql(conversion);
  const words = {
    one: `has a value in ${column.name} that ${to.type} does not hold`,
    many: `have values in ${column.name} that ${to.type} does not hold`,
  };
  const none = `every ${column.name} converts to ${to.type}`;
  if (tooLong !== undefined) {
    const answer = await askRows(looker, { state, condition: tooLong, session, percent });
    return tell(answer, { bad: "fails", ...words, none });
  }
  const altered = alteredSql(conversion, types);
  const from = fromSql(state, { percent });
  try {
    const [row] = await looker.ask<{ rows: number }>(
      `select count(*)::float8 as rows, count((${value})::${conversion.type}) as converted from ${from}`,
      session,
    );
    const passes: Answer = {
      outcome: "passes",
      message: `checked: ${none} in ${showExtent(row?.rows ?? 0, percent)}`,
      count: 0,
      sampled: percent !== undefined,
    };
    return altered === undefined ? passes : await askAltered(looker, conversion, altered, passes);
  } catch (error) {
    if (!isOfData(error) || conversion.convertedBy !== undefined) throw error;
    return tellFailed(conversion, reasonOf(error) ?? "", await countFailed(looker, conversion));
  }
}

/** Values that convert, and are not what they were: cut off, rounded. */
async function askAltered(
  looker: Looker,
  conversion: Conversion,
  condition: string,
  passes: Answer,
): Promise<Answer> {
  const { state, session, percent, column, to, value, type } = conversion;
  try {
    const answer = await askRows(looker, { state, condition, session, percent });
    if (answer.bad === 0) return passes;
    const pair = `select (${identifier(column.name)})::pg_catalog.text as old, ((${value})::${type})::pg_catalog.text as new`;
    const sql = `${pair} from ${answer.from} where ${condition} limit 1`;
    const [one] = await looker.ask<{ old: string | null; new: string | null }>(sql, session || state.session);
    const shown = one === undefined ? "" : `: ${showValue(one.old)} becomes ${showValue(one.new)}`;
    return tell(answer, {
      bad: "loses",
      one: `has another value in ${column.name} as ${to.type}${shown}`,
      many: `have other values in ${column.name} as ${to.type}${shown}`,
      none: "",
    });
  } catch (error) {
    // They convert; that not all can be compared with what they were is no reason for a warning.
    if (isOfData(error)) return passes;
    throw error;
  }
}

/** Texts that a column of limited length refuses: without a cast of its own, PostgreSQL does not cut them off. */
function tooLongSql({ value, to, casts }: Conversion): string | undefined {
  const [, kind, limit] = /^(character(?: varying)?|bit(?: varying)?)\((\d+)\)$/.exec(to.type) ?? [];
  if (kind === undefined || casts.length > 0) return undefined;
  const text = `(${value})::pg_catalog.text`;
  if (kind.startsWith("character"))
    return `pg_catalog.char_length(pg_catalog.rtrim(${text}, ' ')) > ${limit}`;
  return `pg_catalog.char_length(${text}) ${kind === "bit" ? "<>" : ">"} ${limit}`;
}

/** SQL, true for rows whose new value is not the old one; undefined where they are of kinds that do not compare. */
function alteredSql({ value, type, to, column, isPlain }: Conversion, types: Types): string | undefined {
  const old = identifier(column.name);
  const made = `((${value})::${type})`;
  if (!columnsIn(value).has(column.name) && !columnsIn(value).has("*")) return `${old} is not null`;
  if (!isPlain) return undefined;
  const [from, into] = [categoryOf(types, column.typeOid), categoryOf(types, to.typeOid)];
  const isSame = baseOf(types, column.typeOid) === baseOf(types, to.typeOid);
  const differ = (cast: string) => `(${old})::${cast} is distinct from ${made}::${cast}`;
  if (into === "S") return /\(\d+\)$|^(name|"char")$/.test(to.type) ? differ("pg_catalog.text") : undefined;
  if (into === "N" && (from === "N" || from === "S")) return differ("numeric");
  if (isSame || (into === from && (into === "D" || into === "V")))
    return differ(typeOnTarget(types, column.typeOid, column.type));
  return undefined;
}

interface Failed {
  readonly bad: number;
  readonly values: number;
  readonly shown: readonly { readonly value: string; readonly rows: number; readonly key: string | null }[];
}

const ANSWER = "migrator.preflight";

/**
 * Counts the values that do not convert by converting each different one by itself. Every server can do that: a DO block
 * may run in a read-only transaction, and PL/pgSQL assigns as ALTER COLUMN does.
 */
async function countFailed(looker: Looker, conversion: Conversion): Promise<Failed | undefined> {
  const { state, value, type, column, percent } = conversion;
  const used = state.now.columns.filter(({ name }) => columnsIn(value).has(name));
  const columns = used.length > 0 ? used : [column];
  const names = columns.map(({ name }) => identifier(name)).join(", ");
  const row = columns.map(({ name }, index) => `found.column_${index} as ${identifier(name)}`).join(", ");
  const found = columns.map(({ name }, index) => `${identifier(name)} as column_${index}`).join(", ");
  const key = keySql(state) ?? "null";
  const source = `select ${found}, pg_catalog.min(${identifier(column.name)}::pg_catalog.text) as shown, pg_catalog.count(*) as rows, pg_catalog.min(${key}) as key from ${fromSql(state, { percent })} group by ${names} order by rows desc, shown`;
  const body = `declare found record; target ${type}; bad pg_catalog.int8 := 0; kinds pg_catalog.int8 := 0; told pg_catalog.jsonb := '[]';
    begin
      for found in ${source} loop
        begin
          select ${value} into target from (select ${row}) as ${identifier(state.now.name)};
        exception when others then
          bad := bad + found.rows;
          kinds := kinds + 1;
          if kinds <= 3 then told := told || pg_catalog.jsonb_build_object('value', found.shown, 'rows', found.rows, 'key', found.key); end if;
        end;
      end loop;
      perform pg_catalog.set_config('${ANSWER}', pg_catalog.jsonb_build_object('bad', bad, 'values', kinds, 'shown', told)::pg_catalog.text, true);
    end`;
  const sql = `do ${literal(body)}; select pg_catalog.current_setting('${ANSWER}') as answer`;
  try {
    const [answer] = await looker.ask<{ answer: string }>(sql, conversion.session || state.session);
    return answer && (JSON.parse(answer.answer) as Failed);
  } catch (error) {
    if (reasonOf(error) === undefined) throw error;
    return undefined;
  }
}

function tellFailed({ column, to, percent }: Conversion, words: string, failed: Failed | undefined): Answer {
  const sampled = percent !== undefined;
  if (failed === undefined || failed.bad === 0)
    return {
      outcome: "fails",
      message: `a ${column.name} does not convert to ${to.type}: ${words}`,
      sampled,
    };
  const { bad, values, shown } = failed;
  const some = shown.map(
    ({ value, rows }) => `${counted(rows, "row has", "rows have")} ${column.name} = ${showValue(value)}`,
  );
  const all = values > shown.length ? `, and so on (${counted(bad, "row")} in all)` : "";
  const sample = sampled ? ` (of a sample of ${percent} %)` : "";
  return {
    outcome: "fails",
    message: `${some.join(", ")}${all}${sample}, which ${values === 1 ? "does" : "do"} not convert to ${to.type}`,
    count: bad,
    sampled,
    examples: shown.flatMap(({ key }) => (key === null ? [] : [key])),
  };
}
