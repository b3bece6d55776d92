import { type ForeignKey, rowsOf, type TableFacts, tableSql } from "../backup/facts.ts";
import type { SavedPart } from "../backup/manifest.ts";
import { identifier, literal } from "../database/sql-text.ts";

/** A file of the backup, with the table that takes it. */
export interface Prepared {
  readonly part: SavedPart;
  readonly facts: TableFacts;
}

/** PURE. A table before those that refer to it, as far as that goes; columns last, when all rows are there. */
export function inOrder(parts: readonly Prepared[]): readonly Prepared[] {
  const left = parts.filter(({ part }) => part.kind === "table");
  const ordered: Prepared[] = [];
  while (left.length > 0) {
    const free = left.findIndex((one) => !left.some((other) => other !== one && refersTo(one, other)));
    // In a circle any may be first: its keys are then checked at the end.
    ordered.push(...left.splice(Math.max(free, 0), 1));
  }
  return [...ordered, ...parts.filter(({ part }) => part.kind === "columns")];
}

function refersTo({ facts }: Prepared, { part }: Prepared): boolean {
  return facts.foreignKeys.some((key) => isTo(key, part));
}

function isTo({ to }: ForeignKey, { schema, table }: SavedPart): boolean {
  return to.schema === schema && to.table === table;
}

/**
 * PURE. SQL before and after. Triggers that people made stay silent: rows shall be as they were, not as an insert now would
 * make them. Foreign keys of tables that refer to each other are checked at the end, which only a table's owner can order;
 * no superuser is needed.
 */
export function preparations(ordered: readonly Prepared[]): {
  readonly before: readonly string[];
  readonly after: readonly string[];
} {
  const before = ["set constraints all deferred"];
  const after: string[] = [];
  const alter = (part: SavedPart, there: string, back: string) => {
    before.unshift(`alter table ${tableSql(part)} ${there}`);
    after.push(`alter table ${tableSql(part)} ${back}`);
  };
  const seen = new Set<string>();
  for (const [index, { part, facts }] of ordered.entries()) {
    const isFirst = !seen.has(tableSql(part));
    seen.add(tableSql(part));
    for (const { name, always } of isFirst ? facts.triggers : []) {
      const trigger = `trigger ${identifier(name)}`;
      alter(part, `disable ${trigger}`, `enable ${always ? "always " : ""}${trigger}`);
    }
    const behind = ordered.slice(index + 1).map((later) => later.part);
    const early = facts.foreignKeys.filter((key) => behind.some((later) => isLater(key, part, later)));
    for (const { name } of early) {
      const constraint = `alter constraint ${identifier(name)}`;
      alter(part, `${constraint} deferrable`, `${constraint} not deferrable`);
    }
    for (const { name } of facts.columns.filter(({ identity }) => identity === "a")) {
      if (part.kind !== "columns" || !part.columns.some((column) => column.name === name)) continue;
      const column = `alter column ${identifier(name)} set generated`;
      alter(part, `${column} by default`, `${column} always`);
    }
  }
  return { before, after };
}

/** Whether a key that is checked at once points to a table whose rows come later. */
function isLater(key: ForeignKey, own: SavedPart, later: SavedPart): boolean {
  const isSelf = later.schema === own.schema && later.table === own.table;
  return own.kind === "table" && later.kind === "table" && !isSelf && !key.deferrable && isTo(key, later);
}

const WHOLE_NUMBERS = ["smallint", "integer", "bigint"];

/** PURE. SQL that sets sequences forward to where they were, and beyond every number that is there; never back. */
export function advanceSequencesSql({ part, facts }: Prepared): readonly string[] {
  const own = part.columns.filter(({ name }) => !part.key.includes(name));
  return facts.sequences
    .filter(({ column }) => own.some(({ name }) => name === column))
    .filter(({ column }) =>
      facts.columns.some(({ name, type }) => name === column && WHOLE_NUMBERS.includes(type)),
    )
    .map(({ column, sequence }) => {
      const saved = part.sequences.find((one) => one.column === column)?.lastValue;
      const before = saved === undefined ? "null::bigint" : `${literal(saved)}::bigint`;
      const name = identifier(column);
      return `select setval(${literal(sequence)}, next) from (
          select case when s.seqincrement > 0 then greatest(m.most, ${before}, q.now) else least(m.least, ${before}, q.now) end as next,
            q.now, s.seqmin, s.seqmax
          from (select max(${name})::bigint as most, min(${name})::bigint as least from ${rowsOf(part, facts)}) m,
            (select case when is_called then last_value end as now from ${sequence}) q,
            pg_catalog.pg_sequence s where s.seqrelid = ${literal(sequence)}::regclass) found
        where next is distinct from now and next between seqmin and seqmax`;
    });
}
