import { blockingOf } from "../../locks.ts";
import type { HazardContext } from "../hazard.ts";
import { blockedBy, laterInTransaction } from "../locked.ts";
import type { Found, Rule } from "../rule.ts";
import { keptOut, listOf, spoken, sqlName, withRows } from "../words.ts";
import { changesOf } from "./work.ts";

/** Locks on a table that the statement is not about. */
export const FOREIGN_KEY_RULES: readonly Rule[] = [
  {
    id: "foreign-key-locks-other-table",
    severity: "medium",
    title: "A new foreign key locks the table that it refers to",
    effect:
      "Writes to that table wait from here to the end of the transaction, although nothing in it is changed. Low where nothing follows, because that is a moment.",
    safer: "Add foreign keys last, or in a migration of their own.",
    find: keysOnOthers,
  },
  {
    id: "drop-locks-other-table",
    severity: "medium",
    title: "Dropping a table or a foreign key locks the table that it referred to",
    effect:
      "Reads and writes of that table wait to the end of the transaction, although nothing in it is changed. Low where nothing follows, because that is a moment.",
    safer: "Drop the foreign key in a migration of its own, and the table in the next one.",
    find: dropsOnOthers,
  },
];

function keysOnOthers(context: HazardContext): readonly Found[] {
  const added = changesOf(context, "constraint-added").filter(({ constraint }) => constraint.type === "f");
  const isLast = laterInTransaction(context).length === 0;
  // With a scan, it is foreign-key-scan that speaks of both tables.
  return blockedBy(context, context.statement).flatMap((lock): readonly Found[] => {
    const { oid } = lock.relation;
    const keys = added.filter(({ constraint }) => constraint.referenced === oid && constraint.table !== oid);
    if (
      keys.length === 0 ||
      scansFor(
        context,
        keys.map(({ constraint }) => constraint.table),
      ) ||
      lock.scans
    )
      return [];
    const names = listOf(keys.map(({ constraint }) => constraint.name));
    return [
      {
        message: `${names}: ${keptOut(lock.mode)} ${withRows(context, lock.relation)} from here to the end of the transaction (${lock.mode})`,
        severity: isLast ? "low" : "medium",
      },
    ];
  });
}

function scansFor({ statement, heat }: HazardContext, tables: readonly number[]): boolean {
  return statement.locks.some(
    ({ relation, scans }) => scans && tables.includes(relation.oid) && heat.isHot(relation.oid),
  );
}

function dropsOnOthers(context: HazardContext): readonly Found[] {
  const keys = changesOf(context, "constraint-dropped")
    .map(({ constraint }) => constraint)
    .filter(({ type, table, referenced }) => type === "f" && table !== referenced);
  const gone = new Set(changesOf(context, "relation-dropped").map(({ relation }) => relation.oid));
  return blockedBy(context, context.statement).flatMap((lock): readonly Found[] => {
    const own = keys.filter(({ referenced }) => referenced === lock.relation.oid);
    if (own.length === 0 || gone.has(lock.relation.oid) || blockingOf(lock.mode) !== "reads and writes")
      return [];
    const isLast = laterInTransaction(context).length === 0;
    const froms = own.flatMap(({ table }) => context.facts.relations.get(table) ?? []);
    return [
      {
        message: `${keptOut(lock.mode)} ${withRows(context, lock.relation)} to the end of the transaction, because ${listOf([...new Set(froms.map(spoken))])} referred to it (${lock.mode})`,
        severity: isLast ? "low" : "medium",
        safer: froms.some(({ oid }) => gone.has(oid))
          ? own
              .flatMap(({ table, name }) => {
                const from = context.facts.relations.get(table);
                return from && gone.has(table)
                  ? [`ALTER TABLE ${sqlName(from)} DROP CONSTRAINT "${name}";`]
                  : [];
              })
              .concat("-- in the next migration:", ...froms.map((from) => `DROP TABLE ${sqlName(from)};`))
              .join("\n")
          : undefined,
      },
    ];
  });
}
