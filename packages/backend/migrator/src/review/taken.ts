import type { Database } from "../database/connect.ts";
import { changesBetween, updateFacts } from "./changes.ts";
import type { Look, Mark, Relation, SchemaFacts } from "./facts.ts";
import { compareModes, type LockMode, modeOf } from "./locks.ts";
import type { ObservedLock, ObservedStatement } from "./observed.ts";

/** What is known of a copy, as its plan goes on. */
export interface Known {
  /** The schema before all of the plan. */
  readonly before: SchemaFacts;
  facts: SchemaFacts;
  /** Of the last look. */
  mark: Mark;
}

/** The copy, and what is known of it. */
export interface Watch extends Known {
  readonly copy: Database;
}

/** What was so before a statement. */
export interface Before {
  readonly held: ReadonlyMap<number, LockMode>;
  readonly now: ReadonlyMap<number, LockMode>;
  readonly scans: ReadonlyMap<number, number>;
}

/** What a look tells that was not known before it. */
export function takeIn(
  known: Known,
  seen: Look,
  { held, now, scans }: Before,
): Pick<ObservedStatement, "locks" | "changes" | "facts"> {
  const old = known.facts;
  known.facts = updateFacts(old, seen);
  known.mark = seen.mark;
  const file = (facts: SchemaFacts, oid: number) => facts.relations.get(oid)?.file;
  const wasRewritten = (oid: number) =>
    known.facts.relations.has(oid) && file(old, oid) !== file(known.facts, oid);
  const wasScanned = (oid: number) => (seen.scans.get(oid) ?? 0) > (scans.get(oid) ?? 0);
  // The server gives them in no order.
  const sorted = [...now].sort(([one], [other]) => one - other);
  const locks = sorted.flatMap(([oid, mode]): readonly ObservedLock[] => {
    const relation = known.before.relations.get(oid);
    if (relation === undefined) return [];
    const before = held.get(oid);
    const isNew = before === undefined || compareModes(before, mode) < 0;
    const rewrites = wasRewritten(oid);
    const isScanned = wasScanned(oid);
    return isNew || rewrites || isScanned ? [{ relation, mode, rewrites, scans: isScanned }] : [];
  });
  return {
    locks: withTables(locks, known.before),
    changes: changesBetween(old, known.facts),
    facts: known.facts,
  };
}

/**
 * Locks as a person thinks of them: those of TOAST tables and, where the table itself is held as strongly, of indexes are
 * told as their table's.
 */
function withTables(locks: readonly ObservedLock[], { relations }: SchemaFacts): readonly ObservedLock[] {
  const told = new Map<number, ObservedLock>();
  const isToast = ({ schema }: Relation) => schema === "pg_toast";
  const tables = locks.filter(({ relation }) => relation.owner === null && !isToast(relation));
  for (const lock of tables) told.set(lock.relation.oid, lock);
  for (const lock of locks.filter((one) => !tables.includes(one))) {
    const owner = ownerOf(lock.relation, relations);
    const table = told.get(owner.oid);
    const isTold = isToast(lock.relation) || (table && compareModes(table.mode, lock.mode) >= 0);
    if (table && isTold) told.set(owner.oid, { ...table, rewrites: table.rewrites || lock.rewrites });
    if (!isTold) told.set(lock.relation.oid, lock);
  }
  return [...told.values()];
}

/** The table that an index or a TOAST table, or the index of one, is part of. */
function ownerOf(relation: Relation, relations: SchemaFacts["relations"]): Relation {
  const owner = relation.owner === null ? undefined : relations.get(relation.owner);
  return owner === undefined ? relation : ownerOf(owner, relations);
}

/** The strongest lock on each relation. */
export function strongest({ locks }: Look): ReadonlyMap<number, LockMode> {
  const modes = new Map<number, LockMode>();
  for (const { oid, mode: name } of locks) {
    const mode = modeOf(name);
    const known = modes.get(oid);
    if (mode && (known === undefined || compareModes(known, mode) < 0)) modes.set(oid, mode);
  }
  return modes;
}
