import { identifier } from "../../../database/sql-text.ts";
import type { ObservedStatement } from "../../observed.ts";
import type { HazardContext } from "../hazard.ts";
import { blockedBy, earlierInTransaction, type Held, heldBy, severityAt } from "../locked.ts";
import { relationsNamedBy } from "../nodes.ts";
import type { Found, Rule } from "../rule.ts";
import { alterTable, inTwoMigrations, keptOut, listOf, placeOf, spoken, withRows } from "../words.ts";
import { slowWorkOf } from "./slow-work.ts";
import { changesOf } from "./work.ts";

/** What only shows when the statements of a transaction are seen together: its locks are all held to its end. */
export const TRANSACTION_RULES: readonly Rule[] = [
  {
    id: "locks-gathered",
    severity: "medium",
    title: "One transaction locks several tables that are in use",
    effect:
      "The first table stays locked while the transaction waits for the next one, so a single slow query on any of them stops them all.",
    safer: "A migration for each table: each commits, and gives its lock back, before the next begins.",
    find: locksGathered,
  },
  {
    id: "lock-held-over-slow-work",
    severity: "high",
    title: "A strong lock is held while later statements work",
    effect:
      "The lock lasts to the end of its transaction: whoever needs the table waits for all that comes after.",
    safer: "Put the slow statements into the next migration: the lock is then given back after milliseconds.",
    find: heldOverSlowWork,
  },
  {
    id: "validated-in-same-transaction",
    severity: "high",
    title: "NOT VALID and VALIDATE in one transaction",
    effect:
      "VALIDATE alone keeps nobody out, but the lock of ADD CONSTRAINT is still held while it reads every row: NOT VALID has won nothing.",
    safer: "VALIDATE in the next migration.",
    find: validatedAtOnce,
  },
];

/** Told where the second table comes in: there is only one thing to mend. */
function locksGathered(context: HazardContext): readonly Found[] {
  const before = heldBy(context, earlierInTransaction(context));
  const own = blockedBy(context, context.statement).filter(({ relation }) => !before.has(relation.oid));
  if (before.size === 0 || own.length === 0) return [];
  const [first] = before.values();
  const transactions = new Set([...before.values()].map(({ since }) => since));
  if (transactions.size > 1 || first === undefined) return [];
  const all = [...heldBy(context, transactionOf(context)).values()];
  const tables = all.map(({ relation }) => spoken(relation));
  return [
    {
      message: `${listOf(tables)} are locked in one transaction: ${spoken(first.relation)} since ${placeOf(first.since)}`,
    },
  ];
}

function transactionOf({ script, statement }: HazardContext): readonly ObservedStatement[] {
  return script.statements.filter(({ transaction }) => transaction === statement.transaction);
}

function heldOverSlowWork(context: HazardContext): readonly Found[] {
  const held = heldBy(context, earlierInTransaction(context));
  const [work] = held.size === 0 || validatesItsOwn(context) ? [] : slowWorkOf(context);
  if (work === undefined) return [];
  // What the statement itself keeps others from while it works has a hazard of its own.
  const blocked = blockedBy(context, context.statement).map(({ relation }) => relation);
  const spokenOf = work.underOwnLock ? [...blocked, ...relationsNamedBy(context)] : [];
  const own = new Set(spokenOf.map(({ oid }) => oid));
  const waiting = [...held.values()].filter(({ relation }) => !own.has(relation.oid));
  if (waiting.length === 0) return [];
  const { number } = context.statement;
  return [
    {
      message: `${listOf(waiting.map(heldSince))}, while this statement goes through ${withRows(context, work.table)}`,
      severity: severityAt(context, work.table, "high"),
      safer: `Put statement ${number} and what follows into the next migration: the locks on ${listOf(waiting.map(({ relation }) => spoken(relation)))} are then given back before it begins.`,
    },
  ];
}

function heldSince({ relation, mode, since }: Held): string {
  return `${keptOut(mode)} ${spoken(relation)} since ${placeOf(since)}`;
}

function validatesItsOwn(context: HazardContext): boolean {
  return validatedAtOnce(context).length > 0;
}

function validatedAtOnce(context: HazardContext): readonly Found[] {
  const { facts, heat } = context;
  return changesOf(context, "constraint-validated").flatMap(({ constraint }): readonly Found[] => {
    const adding = earlierInTransaction(context).find((statement) =>
      changesOf({ statement }, "constraint-added").some((added) => added.constraint.oid === constraint.oid),
    );
    const table = facts.relations.get(constraint.table);
    const tables = [constraint.table, constraint.referenced].filter((oid) =>
      context.before.relations.has(oid),
    );
    if (adding === undefined || table === undefined || !tables.some((oid) => heat.isHot(oid))) return [];
    const name = identifier(constraint.name);
    const definition = constraint.definition.replace(/ NOT VALID$/, "");
    return [
      {
        message: `${constraint.name} is validated in the transaction that adds it (${placeOf(adding)}): ${spoken(table)} stays locked while every row is read`,
        severity: severityAt(context, table, "high"),
        safer: inTwoMigrations(
          [alterTable(table, `ADD CONSTRAINT ${name} ${definition} NOT VALID`)],
          [alterTable(table, `VALIDATE CONSTRAINT ${name}`)],
        ),
      },
    ];
  });
}
