import { identifier } from "../../database/sql-text.ts";
import { type Answer, askRows, type Check, tell } from "./check.ts";
import { deletionOf } from "./deletions.ts";
import type { Looker } from "./looker.ts";
import type { Asking, Moment } from "./moment.ts";
import type { Node } from "./syntax.ts";
import { fromSql, originOf, type TableState } from "./tables.ts";
import { counted, showName } from "./words.ts";
import { findTable } from "./writes.ts";

/** DROP TABLE: how many rows go with it. */
export const droppedTable: Asking = (moment) =>
  moment.changes.flatMap((change): readonly Check[] =>
    change.type === "relation-dropped" && ["r", "p"].includes(change.relation.kind)
      ? rowsLost(moment, change.relation.oid, "drop-table")
      : [],
  );

/** TRUNCATE: how many rows go, those of tables that refer to it included where CASCADE says so. */
export const truncated: Asking = (moment) =>
  moment.parts.flatMap(({ type, node }): readonly Check[] => {
    if (type !== "TruncateStmt") return [];
    const named = ((node.relations ?? []) as readonly Node[]).flatMap(({ RangeVar: range }) => {
      const table = findTable(range as Node, moment.before);
      return table ? [table.oid] : [];
    });
    const others =
      node.behavior === "DROP_CASCADE"
        ? moment.statement.locks.filter(({ relation }) => relation.kind === "r")
        : [];
    const tables = new Set([...named, ...others.map(({ relation }) => relation.oid)]);
    return [...tables].flatMap((table) => rowsLost(moment, table, "truncate"));
  });

function rowsLost(moment: Moment, table: number, check: string): readonly Check[] {
  const state = moment.origin(table);
  if (state === undefined) return [];
  return [
    {
      check,
      object: showName(state.target),
      writtenBy: moment.writerOf(table),
      ask: (looker) => countAll(looker, moment, state),
    },
  ];
}

/** Of a huge table its statistics are enough. */
async function countAll(looker: Looker, moment: Moment, state: TableState): Promise<Answer> {
  const isHuge = moment.percentOf(state.target.oid) !== undefined;
  const [{ rows } = { rows: 0 }] = isHuge
    ? [{ rows: Math.round(moment.rowsOf(state.target.oid)) }]
    : await looker.ask<{ rows: number }>(
        `select count(*)::float8 as rows from ${fromSql(state)}`,
        state.session,
      );
  if (rows === 0) return { outcome: "passes", message: "checked: the table is empty", count: 0 };
  const message = `${isHuge ? "about " : ""}${counted(rows, "row")} ${rows === 1 ? "is" : "are"} lost`;
  return { outcome: "loses", message, count: rows, sampled: isHuge };
}

/** DROP COLUMN: how many values go. What is computed can be computed again. */
export const droppedColumn: Asking = (moment) =>
  moment.changes.flatMap((change): readonly Check[] => {
    if (change.type !== "column-dropped" || !["r", "p"].includes(change.table.kind)) return [];
    const { table, column } = change;
    // What an earlier statement has made of the values does not matter: they are what is lost.
    const state = moment.origin(table.oid);
    const old = state?.target.columns.find(({ number }) => number === column.number);
    if (state === undefined || old === undefined || (column.filled && column.default !== null)) return [];
    const { changedBy } = originOf(moment.stateBefore(table.oid) ?? state, new Set([column.name]));
    return [
      {
        check: "drop-column",
        object: showName(state.target, old.name),
        changedBy,
        writtenBy: moment.writerOf(table.oid, [column.number]),
        ask: async (looker) =>
          tell(
            await askRows(looker, {
              state,
              condition: `${identifier(old.name)} is distinct from null`,
              percent: moment.percentOf(table.oid),
            }),
            {
              bad: "loses",
              one: `loses its ${old.name}`,
              many: `lose their ${old.name}`,
              none: `no ${old.name} is set`,
            },
          ),
      },
    ];
  });

/** DELETE: how many rows its condition is true for. */
export const deleted: Asking = (moment) =>
  moment.parts.flatMap((part): readonly Check[] => {
    const deletion = deletionOf(part);
    const table = deletion && findTable(deletion.relation, moment.before);
    const state = table && moment.stateBefore(table.oid);
    if (deletion === undefined || state === undefined) return [];
    return [
      {
        check: "delete",
        object: showName(state.target),
        writtenBy: moment.writerOf(state.target.oid),
        ask: async (looker): Promise<Answer> => {
          const [{ rows } = { rows: 0 }] = await looker.ask<{ rows: number }>(
            deletion.countSql(fromRows(state)),
            true,
          );
          if (rows === 0) return { outcome: "passes", message: "checked: it deletes no row", count: 0 };
          return {
            outcome: "loses",
            message: `${counted(rows, "row")} ${rows === 1 ? "is" : "are"} deleted`,
            count: rows,
          };
        },
      },
    ];
  });

/** The rows without a name of their own. */
function fromRows(state: TableState): string {
  const from = fromSql(state);
  return from.slice(0, -` as ${identifier(state.now.name)}`.length);
}
