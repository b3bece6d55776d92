import type { Relation } from "../../facts.ts";
import { conflict } from "../../locks.ts";
import type { ObservedScript, ObservedStatement } from "../../observed.ts";
import type { HazardContext } from "../hazard.ts";
import { blockedBy, earlierInTransaction, heldBy } from "../locked.ts";
import type { Found, Rule } from "../rule.ts";
import { placeOf, spoken, sqlName } from "../words.ts";

export const LOCK_ORDER_RULES: readonly Rule[] = [
  {
    id: "lock-order",
    severity: "medium",
    title: "Tables are locked in an order that others do not keep",
    effect:
      "Two transactions that lock the same two tables in opposite order wait for each other, and PostgreSQL ends one of them with 40P01 (deadlock detected).",
    safer:
      "Lock in the order in which everybody does: a table before the one that its foreign key refers to. Or change each table in a migration of its own.",
    find: lockOrder,
  },
];

/** A table that is locked after another, and who does it the other way round. */
function lockOrder(context: HazardContext): readonly Found[] {
  const held = [...heldBy(context, earlierInTransaction(context)).values()];
  const taken = blockedBy(context, context.statement).filter(
    ({ relation }) => !held.some((other) => other.relation.oid === relation.oid),
  );
  return taken.flatMap((second) =>
    held.flatMap((first): readonly Found[] => {
      const opposite =
        oppositeInPlan(context, first.relation, second.relation) ??
        (conflict(first.mode, "ROW SHARE")
          ? byForeignKey(context, first.relation, second.relation)
          : undefined);
      if (opposite === undefined) return [];
      const message = `${spoken(second.relation)} is locked after ${spoken(first.relation)} (${placeOf(first.since)}); ${opposite}`;
      return [{ message, safer: saferOrder(second.relation, first.relation) }];
    }),
  );
}

function saferOrder(early: Relation, late: Relation): string {
  return [
    `-- before the other statements, or ${spoken(late)} in a migration of its own:`,
    `LOCK TABLE ${sqlName(early)}, ${sqlName(late)} IN ACCESS EXCLUSIVE MODE;`,
  ].join("\n");
}

/** A transaction of an earlier file, or of this one, that has locked `second` before `first`. */
function oppositeInPlan(context: HazardContext, first: Relation, second: Relation): string | undefined {
  for (const { script, statements } of transactionsBefore(context)) {
    const held = [...heldBy(context, statements).values()];
    const place = ({ oid }: Relation) => {
      const lock = held.find(({ relation }) => relation.oid === oid);
      return lock === undefined ? undefined : statements.indexOf(lock.since);
    };
    const [early, late] = [place(second), place(first)];
    if (early !== undefined && late !== undefined && early < late)
      return `${script.script.fileName} locks them the other way round`;
  }
  return undefined;
}

interface Transaction {
  readonly script: ObservedScript;
  readonly statements: readonly ObservedStatement[];
}

function transactionsBefore({ scripts, script, statement }: HazardContext): readonly Transaction[] {
  return scripts.slice(0, scripts.indexOf(script) + 1).flatMap((one) => {
    const numbers = [...new Set(one.statements.map(({ transaction }) => transaction))];
    return numbers
      .filter((number) => one !== script || number < statement.transaction)
      .map((number) => ({
        script: one,
        statements: one.statements.filter(({ transaction }) => transaction === number),
      }));
  });
}

/** Who writes a row with a foreign key locks its own table, and then the one that the key refers to. */
function byForeignKey({ before }: HazardContext, first: Relation, second: Relation): string | undefined {
  const key = [...before.constraints.values()].find(
    ({ type, table, referenced }) => type === "f" && table === second.oid && referenced === first.oid,
  );
  return (
    key &&
    `whoever writes to ${spoken(second)} locks them the other way round, for the foreign key ${key.name}`
  );
}
