import type { Index } from "../facts.ts";
import type { Answer, Check } from "./check.ts";
import { askRows } from "./check.ts";
import type { Looker } from "./looker.ts";
import { type Asking, type Moment, numbersIn } from "./moment.ts";
import { replaceTypes } from "./syntax.ts";
import { fromSql, originIn, type TableState } from "./tables.ts";
import { namedOnTarget } from "./types.ts";
import { counted, showName, showValue } from "./words.ts";

/** Indexes that a statement builds over rows of the target. */
function builtIndexes({ changes }: Moment): readonly Index[] {
  return changes.flatMap((change) =>
    change.type === "index-added" && change.index.valid ? [change.index] : [],
  );
}

/** ADD UNIQUE, ADD PRIMARY KEY, CREATE UNIQUE INDEX: which keys are there more than once. */
export const uniqueKey: Asking = (moment) =>
  builtIndexes(moment)
    .filter(({ unique, exclusion }) => unique && !exclusion)
    .flatMap((index) => uniqueCheck(moment, index));

export function uniqueCheck(moment: Moment, index: Index): readonly Check[] {
  const state = moment.stateAfter(index.table);
  if (state === undefined) return [];
  const uses = [...index.keys, index.predicate ?? "true"].map((text) => `(${text})`).join(" and ");
  return [
    {
      check: index.primary ? "primary-key" : "unique",
      object: showName(state.target),
      ...originIn(state, uses),
      writtenBy: moment.writerOf(index.table, numbersIn(state.now, uses)),
      glance: glanceOf(moment, state, index),
      ask: (looker) => askDuplicates(looker, moment, state, { index, percent: undefined }),
    },
  ];
}

interface Group {
  readonly values: readonly (string | null)[];
  readonly rows: number;
  readonly groups: number;
}

/** Keys that are there twice in a part of a huge table are so in all of it; that none is, only the whole table tells. */
function glanceOf(moment: Moment, state: TableState, index: Index): Check["glance"] {
  const percent = moment.percentOf(index.table);
  if (percent === undefined) return undefined;
  return async (looker) => {
    const answer = await askDuplicates(looker, moment, state, { index, percent });
    return answer.outcome === "fails" ? answer : undefined;
  };
}

async function askDuplicates(
  looker: Looker,
  moment: Moment,
  state: TableState,
  { index, percent }: { readonly index: Index; readonly percent: number | undefined },
): Promise<Answer> {
  const groups = await looker.ask<Group>(duplicatesSql(moment, state, index, percent), state.session);
  const labels = index.keys.map(unquoted);
  const list = labels.join(", ");
  const [first] = groups;
  if (first === undefined)
    return { outcome: "passes", message: `checked: no ${list} is there twice`, count: 0 };
  const examples = groups.map(({ values, rows }) => {
    const key = values.map((value, position) => `${labels[position]} = ${showValue(value)}`);
    return `${key.join(", ")} in ${counted(rows, "row")}`;
  });
  const verb = first.groups === 1 ? "is" : "are";
  const sample = percent === undefined ? "" : ` in a sample of ${percent} %`;
  return {
    outcome: "fails",
    message: `${counted(first.groups, "key")} (${list}) ${verb} there more than once${sample}`,
    count: first.groups,
    sampled: percent !== undefined,
    examples,
  };
}

function duplicatesSql(
  moment: Moment,
  state: TableState,
  { keys, predicate, nullsNotDistinct }: Index,
  percent: number | undefined,
): string {
  const told = (text: string) => replaceTypes(text, namedOnTarget(moment.types));
  const exists = nullsNotDistinct ? [] : keys.map((key) => `(${told(key)}) is not null`);
  const where = [...(predicate === null ? [] : [`(${told(predicate)})`]), ...exists].join(" and ") || "true";
  const named = keys.map((key, position) => `${told(key)} as "key_${position}"`).join(", ");
  const names = keys.map((_, position) => `"key_${position}"`);
  const list = names.join(", ");
  const texts = names.map((name) => `${name}::pg_catalog.text`).join(", ");
  const rows = fromSql(state, { only: true, percent });
  return `select array_to_json(array[${texts}]) as values, rows::float8, (count(*) over ())::float8 as groups
    from (select ${list}, count(*) as rows from (select ${named} from ${rows} where ${where}) as keys
      group by ${list} having count(*) > 1) as duplicates
    order by rows desc, ${list} limit 3`;
}

function unquoted(key: string): string {
  const [, name] = /^"((?:[^"]|"")+)"$/.exec(key) ?? [];
  return name?.replaceAll('""', '"') ?? key;
}

/** Bytes that an entry of a btree may have, its head included: a third of a page. Source: BTMaxItemSize in PostgreSQL's nbtree.h. */
const LONGEST_ENTRY = 2704;

/** Bytes of an entry's head. Source: IndexTupleData in PostgreSQL's itup.h. */
const ENTRY_HEAD = 8;

/** Keys that are too long for a btree, or that cannot be computed. Stored values are measured as they are stored, compressed; others cannot be. */
export const longKey: Asking = (moment) =>
  builtIndexes(moment).flatMap((index): readonly Check[] => {
    const state = moment.stateAfter(index.table);
    const columns = index.keys.map((key) => state?.now.columns.find(({ name }) => name === unquoted(key)));
    const isLong = columns.some(
      (column) => column === undefined || mayBeLong(moment, column.typeOid, column.type),
    );
    if (state === undefined || index.method !== "btree" || !isLong) return [];
    const uses = index.keys.map((text) => `(${text})`).join(" and ");
    const isStored =
      columns.every((column) => column !== undefined) && originIn(state, uses).convertedBy === undefined;
    const told = index.keys.map((key) => replaceTypes(key, namedOnTarget(moment.types)));
    const size = told.map((key) => `coalesce(pg_catalog.pg_column_size(${key}), 0)`).join(" + ");
    const isTooLong = `${size} + ${ENTRY_HEAD} > ${LONGEST_ENTRY}`;
    const condition =
      index.predicate === null
        ? isTooLong
        : `(${replaceTypes(index.predicate, namedOnTarget(moment.types))}) and ${isTooLong}`;
    return [
      {
        check: "index-key",
        object: showName(state.target),
        ...originIn(state, uses),
        writtenBy: moment.writerOf(index.table, numbersIn(state.now, uses)),
        ask: async (looker) => {
          const percent = moment.percentOf(index.table);
          const {
            bad,
            percent: looked,
            examples,
          } = await askRows(looker, { state, condition, only: true, percent });
          if (bad === 0) return undefined;
          const which = `${counted(bad, "row")}${looked === undefined ? "" : ` of a sample of ${looked} %`}`;
          const verb = isStored ? (bad === 1 ? "has" : "have") : "may have";
          return {
            outcome: isStored ? "fails" : "unknown",
            message: `${which} ${verb} a key of (${index.keys.map(unquoted).join(", ")}) that is too long for a btree index: more than ${LONGEST_ENTRY} bytes`,
            count: bad,
            sampled: looked !== undefined,
            examples,
          };
        },
      },
    ];
  });

/** Bytes that a character has at most. */
const CHARACTER = 4;

function mayBeLong(moment: Moment, oid: number, type: string): boolean {
  const [, limit] = /^character(?: varying)?\((\d+)\)$/.exec(type) ?? [];
  if (limit) return Number(limit) * CHARACTER > LONGEST_ENTRY;
  return moment.types.facts.get(oid)?.length === -1 && !/^(numeric|inet|cidr|bit)/.test(type);
}
