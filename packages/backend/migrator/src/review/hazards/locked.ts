import type { Relation } from "../facts.ts";
import { blockingOf, compareModes } from "../locks.ts";
import type { ObservedLock, ObservedStatement } from "../observed.ts";
import type { HazardContext, Severity } from "./hazard.ts";
import { relationsNamedBy } from "./nodes.ts";

/** A table with fewer rows is gone through, or written anew, before anybody notices. */
const FEW_ROWS = 10_000;

/** Locks of a statement that keep readers or writers out of tables which others use. */
export function blockedBy(
  { heat }: Pick<HazardContext, "heat">,
  { locks }: ObservedStatement,
): readonly ObservedLock[] {
  return locks.filter(
    ({ relation, mode }) =>
      ["r", "p", "m"].includes(relation.kind) && blockingOf(mode) !== "nothing" && heat.isHot(relation.oid),
  );
}

/** The statements before this one that are in its transaction, and so still hold what they have locked. */
export function earlierInTransaction({ script, statement }: HazardContext): readonly ObservedStatement[] {
  const own = script.statements.filter(({ transaction }) => transaction === statement.transaction);
  return own.slice(0, own.indexOf(statement));
}

/** The statements after this one for which its locks are still held. */
export function laterInTransaction({ script, statement }: HazardContext): readonly ObservedStatement[] {
  const own = script.statements.filter(({ transaction }) => transaction === statement.transaction);
  return own.slice(own.indexOf(statement) + 1);
}

/** A lock with the statement that took it. */
export interface Held extends ObservedLock {
  readonly since: ObservedStatement;
}

/** By table, the strongest lock that statements hold and that keeps somebody out; `since` tells the first such. */
export function heldBy(
  context: Pick<HazardContext, "heat">,
  statements: readonly ObservedStatement[],
): ReadonlyMap<number, Held> {
  const held = new Map<number, Held>();
  for (const since of statements) {
    for (const lock of blockedBy(context, since)) {
      const known = held.get(lock.relation.oid);
      if (known === undefined) held.set(lock.relation.oid, { ...lock, since });
      else if (compareModes(known.mode, lock.mode) < 0)
        held.set(lock.relation.oid, { ...lock, since: known.since });
    }
  }
  return held;
}

/** A table that is kept from others while the statement goes through it, or writes it anew. */
export interface Worked {
  readonly table: Relation;
  readonly lock: ObservedLock;
}

/** Work under a strong lock, each table once; partitions are told as the table that the statement names. */
export function workedUnderLock(context: HazardContext): readonly Worked[] {
  const named = relationsNamedBy(context);
  const parent = named.find(({ kind }) => kind === "p");
  const worked = new Map<number, Worked>();
  for (const lock of blockedBy(context, context.statement).filter(
    ({ rewrites, scans }) => rewrites || scans,
  )) {
    const table = parent && !named.some(({ oid }) => oid === lock.relation.oid) ? parent : lock.relation;
    if (!worked.has(table.oid)) worked.set(table.oid, { table, lock });
  }
  return [...worked.values()];
}

/** A small table's work is over at once: good to know, no more. */
export function severityAt({ heat }: HazardContext, { oid }: Relation, severity: Severity): Severity {
  const rows = heat.rowsOf(oid);
  return rows !== undefined && rows < FEW_ROWS ? "low" : severity;
}
