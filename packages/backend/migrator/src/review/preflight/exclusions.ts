import { identifier } from "../../database/sql-text.ts";
import type { Constraint, Index } from "../facts.ts";
import type { Check } from "./check.ts";
import type { Asking, Moment } from "./moment.ts";
import { numbersIn } from "./moment.ts";
import { checkedConstraints } from "./rows.ts";
import { type Node, parsedConstraint, replaceTypes, stringsOf } from "./syntax.ts";
import { fromSql, originIn, type TableState } from "./tables.ts";
import { namedOnTarget } from "./types.ts";
import { counted, showName } from "./words.ts";

/** ADD EXCLUDE: which rows are in each other's way. Each is compared with each, as far as the time allows. */
export const exclusion: Asking = (moment) =>
  checkedConstraints(moment, "x").flatMap((constraint): readonly Check[] => {
    const state = moment.stateAfter(constraint.table);
    const index = indexOf(moment, constraint);
    if (state === undefined || index === undefined) return [];
    const uses = [...index.keys, index.predicate ?? "true"].map((text) => `(${text})`).join(" and ");
    return [
      {
        check: "exclude",
        object: showName(state.target),
        ...originIn(state, uses),
        writtenBy: moment.writerOf(constraint.table, numbersIn(state.now, uses)),
        ask: async (looker) => {
          const sql = pairsSql(moment, state, index, operatorsOf(constraint));
          if (sql === undefined)
            return {
              outcome: "unknown",
              message: `not checked: rows of a table without a key cannot be told apart`,
            };
          const [{ pairs } = { pairs: 0 }] = await looker.ask<{ pairs: number }>(sql, true);
          if (pairs === 0)
            return {
              outcome: "passes",
              message: `checked: no two rows conflict by ${constraint.name}`,
              count: 0,
            };
          return {
            outcome: "fails",
            message: `${counted(pairs, "pair")} of rows ${pairs === 1 ? "conflicts" : "conflict"} by ${constraint.name}`,
            count: pairs,
          };
        },
      },
    ];
  });

/** The index behind an exclusion constraint: both have one name. */
function indexOf({ after }: Moment, { table, name }: Constraint): Index | undefined {
  return [...after.indexes.values()].find(
    ({ oid, table: own, exclusion: isExclusion }) =>
      own === table && isExclusion && after.relations.get(oid)?.name === name,
  );
}

/** `=`, `OPERATOR(public.&&)`: one for each key, as the server tells them. */
function operatorsOf({ definition }: Constraint): readonly string[] {
  const pairs = (parsedConstraint(definition)?.exclusions ?? []) as readonly { readonly List: Node }[];
  return pairs.map(({ List }) => {
    const [, operator] = List.items as readonly { readonly List: Node }[];
    const names = stringsOf(operator?.List.items);
    const schema = names.slice(0, -1).map((name) => `${identifier(name)}.`);
    return `operator(${schema.join("")}${names.at(-1)})`;
  });
}

function pairsSql(
  moment: Moment,
  state: TableState,
  { keys, predicate }: Index,
  operators: readonly string[],
): string | undefined {
  if (state.keys.length === 0 || operators.length !== keys.length) return undefined;
  const told = (text: string) => replaceTypes(text, namedOnTarget(moment.types));
  const own = state.keys.map(({ name }) => name);
  const columns = [
    ...keys.map((key, index) => `${told(key)} as "key_${index}"`),
    ...own.map((name) => `"${name}"`),
  ];
  const where = predicate === null ? "" : ` where ${told(predicate)}`;
  const rows = `(select ${columns.join(", ")} from ${fromSql(state, { only: true })}${where})`;
  const conflicts = keys.map((_, index) => `one."key_${index}" ${operators[index]} other."key_${index}"`);
  const row = (side: string) => `row(${own.map((name) => `${side}."${name}"`).join(", ")})`;
  return `select count(*)::float8 as pairs from ${rows} as one, ${rows} as other where ${row("one")} < ${row("other")} and ${conflicts.join(" and ")}`;
}
