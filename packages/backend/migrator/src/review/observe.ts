import { replay } from "../apply/replay.ts";
import type { Settings } from "../config.ts";
import { type Database, withUrl } from "../database/connect.ts";
import { codeOf, serverWords } from "../database/failures.ts";
import type { Scratch } from "../database/scratch.ts";
import { withoutClusterWide } from "../folder/cluster-wide.ts";
import type { Migration, Script } from "../folder/read.ts";
import { type LoneStatement, type Segment, segmentsOf } from "../folder/segments.ts";
import type { NumberedStatement } from "../folder/statements.ts";
import { type Change, changesBetween, updateFacts } from "./changes.ts";
import { type Look, type Relation, readFacts, readTouched, type SchemaFacts } from "./facts.ts";
import { compareModes, type LockMode, modeOf } from "./locks.ts";
import { watchLone } from "./watch-lone.ts";

/** A file to look at before it runs: a migration's up, or its down. */
export interface PlannedScript {
  readonly migration: Migration;
  readonly script: Script;
}

/** What a file did on a copy of the schema. */
export interface ObservedScript extends PlannedScript {
  readonly statements: readonly ObservedStatement[];
}

export interface ObservedStatement {
  /** As in messages of `migrate`: 1-based, one for what stands between two breakpoints. */
  readonly number: number;
  readonly sql: string;
  /** 1-based, in the file. */
  readonly line: number;
  /** Which transaction of the file it runs in, counted from 0. Locks are held until that ends. */
  readonly transaction: number;
  /** Whether it runs outside of any. */
  readonly alone: boolean;
  /** Locks that it takes, or makes stronger, on what was there before all of the plan. */
  readonly locks: readonly ObservedLock[];
  /** What it did to the schema, new objects of the plan included. */
  readonly changes: readonly Change[];
  /** The schema after it. */
  readonly facts: SchemaFacts;
  /** What the server said where it failed on the copy, with its SQLSTATE. */
  readonly failure: { readonly code: string | undefined; readonly words: readonly string[] } | undefined;
  /** Why it was not tried. */
  readonly untried: string | undefined;
}

export interface ObservedLock {
  /** As it was before the plan. */
  readonly relation: Relation;
  readonly mode: LockMode;
  /** Written anew, byte for byte. */
  readonly rewrites: boolean;
  /** Gone through from end to end. */
  readonly scans: boolean;
}

/** What a plan does to a schema, statement by statement. */
export interface Observation {
  /** The schema before it. */
  readonly before: SchemaFacts;
  readonly scripts: readonly ObservedScript[];
  /** A connection to the copy, as the plan leaves it. */
  readonly copy: Database;
}

/**
 * Runs a plan on a copy of the target's schema, which applied migrations make of an empty database, and reads after each
 * statement what it has locked and done.
 * @param applied in the order in which they were applied
 * @throws MigratorError where the copy cannot be made
 */
export async function observe<T>(
  settings: Settings,
  scratch: Scratch,
  {
    applied,
    planned,
  }: { readonly applied: readonly Migration[]; readonly planned: readonly PlannedScript[] },
  signal: AbortSignal,
  work: (observation: Observation) => Promise<T>,
): Promise<T> {
  const url = await scratch.create();
  await replay(settings, url, applied, signal);
  return withUrl(url, async (copy) => {
    const before = (await readFacts(copy.sql)).facts;
    const watch: Watch = { copy, before, facts: before };
    const scripts: ObservedScript[] = [];
    for (const one of planned) {
      signal.throwIfAborted();
      scripts.push({ ...one, statements: await observeScript(watch, one.script) });
    }
    return work({ before, scripts, copy });
  });
}

/** The copy, and what is known of it. */
interface Watch {
  readonly copy: Database;
  readonly before: SchemaFacts;
  facts: SchemaFacts;
}

const FAILED_BEFORE = "a statement before it in its transaction failed on the copy";
const REACHES_BEYOND = "it reaches beyond its database (roles, other databases, server settings)";

async function observeScript(watch: Watch, script: Script): Promise<readonly ObservedStatement[]> {
  const segments = await segmentsOf(script);
  const localOf = async (statement: NumberedStatement) => {
    const { statements } = await withoutClusterWide({ ...script, statements: [statement] });
    return statements.length === 0 ? undefined : statements.map(({ sql }) => sql).join(";\n");
  };
  const observed: ObservedStatement[] = [];
  // As a run begins each transaction: nothing of an earlier file is left in the session.
  await watch.copy.sql.unsafe("reset session authorization; reset role; reset all");
  for (const [transaction, segment] of segments.entries()) {
    const run = segment.transactional ? observeTransaction : observeLone;
    observed.push(...(await run(watch, segment as never, transaction, localOf)));
  }
  return observed;
}

/** What of a statement can be run on a copy; undefined where all of it reaches beyond its database. */
type Local = (statement: NumberedStatement) => Promise<string | undefined>;

async function observeTransaction(
  watch: Watch,
  { statements }: Extract<Segment, { transactional: true }>,
  transaction: number,
  localOf: Local,
): Promise<readonly ObservedStatement[]> {
  const { sql } = watch.copy;
  const observed: ObservedStatement[] = [];
  // Somebody's own savepoints would meet with ours.
  const careful = !statements.some((statement) => /\b(savepoint|rollback)\b/i.test(statement.sql));
  await sql.unsafe("begin");
  let held: ReadonlyMap<number, LockMode> = new Map();
  // The server counts on from transaction to transaction, until it has told its statistics.
  let { scans } = await readTouched(sql);
  let isOver = false;
  for (const statement of statements) {
    const base = { ...statement, transaction, alone: false, locks: [], changes: [], facts: watch.facts };
    const local = await localOf(statement);
    if (isOver || local === undefined) {
      observed.push({ ...base, failure: undefined, untried: isOver ? FAILED_BEFORE : REACHES_BEYOND });
      continue;
    }
    if (careful) await sql.unsafe("savepoint migrator_statement");
    try {
      await sql.unsafe(local);
      if (careful) await sql.unsafe("release savepoint migrator_statement");
    } catch (error) {
      observed.push({ ...base, failure: failureOf(error), untried: undefined });
      if (careful) await sql.unsafe("rollback to savepoint migrator_statement");
      isOver = !careful;
      continue;
    }
    const seen = await readTouched(sql);
    const now = strongest(seen);
    const effect = takeIn(watch, seen, { held, now, scans, looked: new Set(now.keys()) });
    observed.push({ ...base, ...effect, failure: undefined, untried: undefined });
    held = now;
    scans = seen.scans;
  }
  // Deferred constraints may fail now, on rows that the plan itself has written.
  await sql.unsafe("commit").catch((error: unknown) => {
    const last = observed.pop();
    if (last) observed.push({ ...last, failure: last.failure ?? failureOf(error) });
  });
  return observed;
}

async function observeLone(
  watch: Watch,
  { statement, kind }: LoneStatement,
  transaction: number,
  localOf: Local,
): Promise<readonly ObservedStatement[]> {
  const base = { ...statement, transaction, alone: true, locks: [], changes: [], facts: watch.facts };
  const local = await localOf(statement);
  if (local === undefined) return [{ ...base, failure: undefined, untried: REACHES_BEYOND }];
  try {
    const now = await watchLone(watch.copy, local, [...watch.facts.relations.values()]);
    const seen = await readFacts(watch.copy.sql);
    const looked = new Set(watch.facts.relations.keys());
    const effect = takeIn(watch, seen, { held: new Map(), now, scans: new Map(), looked });
    const scanned = new Set(
      effect.changes.flatMap((change) => (change.type === "index-added" ? [change.index.table] : [])),
    );
    const readsAll = kind.type === "create-index" || kind.type === "reindex-concurrently";
    const locks = effect.locks.map((lock) => ({
      ...lock,
      scans: readsAll || scanned.has(lock.relation.oid),
    }));
    return [{ ...base, ...effect, locks, failure: undefined, untried: undefined }];
  } catch (error) {
    return [{ ...base, failure: failureOf(error), untried: undefined }];
  }
}

interface Before {
  readonly held: ReadonlyMap<number, LockMode>;
  readonly now: ReadonlyMap<number, LockMode>;
  readonly scans: ReadonlyMap<number, number>;
  /** The relations that were looked at, as far as they are known. */
  readonly looked: ReadonlySet<number>;
}

/** What a look tells that was not known before it. */
function takeIn(
  watch: Watch,
  seen: Look,
  { held, now, scans, looked }: Before,
): Pick<ObservedStatement, "locks" | "changes" | "facts"> {
  const old = watch.facts;
  watch.facts = updateFacts(old, seen.facts, looked);
  const file = (facts: SchemaFacts, oid: number) => facts.relations.get(oid)?.file;
  const wasRewritten = (oid: number) =>
    watch.facts.relations.has(oid) && file(old, oid) !== file(watch.facts, oid);
  const wasScanned = (oid: number) => (seen.scans.get(oid) ?? 0) > (scans.get(oid) ?? 0);
  const locks = [...now].flatMap(([oid, mode]): readonly ObservedLock[] => {
    const relation = watch.before.relations.get(oid);
    if (relation === undefined) return [];
    const before = held.get(oid);
    const isNew = before === undefined || compareModes(before, mode) < 0;
    const rewrites = wasRewritten(oid);
    const isScanned = wasScanned(oid);
    return isNew || rewrites || isScanned ? [{ relation, mode, rewrites, scans: isScanned }] : [];
  });
  return {
    locks: withTables(locks, watch.before),
    changes: changesBetween(old, watch.facts),
    facts: watch.facts,
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

function strongest({ locks }: Look): ReadonlyMap<number, LockMode> {
  const modes = new Map<number, LockMode>();
  for (const { oid, mode: name } of locks) {
    const mode = modeOf(name);
    const known = modes.get(oid);
    if (mode && (known === undefined || compareModes(known, mode) < 0)) modes.set(oid, mode);
  }
  return modes;
}

function failureOf(error: unknown): NonNullable<ObservedStatement["failure"]> {
  return { code: codeOf(error), words: serverWords(error) };
}
