import { replay } from "../apply/replay.ts";
import type { Settings } from "../config.ts";
import { type Database, withUrl } from "../database/connect.ts";
import type { Scratch } from "../database/scratch.ts";
import { rolesIn, withoutClusterWide } from "../folder/cluster-wide.ts";
import type { Migration, Script } from "../folder/read.ts";
import { segmentsOf } from "../folder/segments.ts";
import type { Change } from "./changes.ts";
import { installLook, type Relation, readFacts, type SchemaFacts } from "./facts.ts";
import type { LockMode } from "./locks.ts";
import { observeLone } from "./observe-lone.ts";
import { type Local, observeTransaction } from "./observe-transaction.ts";
import type { Known } from "./taken.ts";

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
  const creating = scratch.create();
  creating.catch(() => undefined);
  // While the server copies its template: of many files that takes a tenth of a second.
  await scratch.ensureRoles(
    await rolesIn([...applied.flatMap(({ up }) => up ?? []), ...planned.map(({ script }) => script)]),
  );
  const url = await creating;
  await replay(settings, url, applied, signal);
  return withUrl(url, async (copy) => {
    // A statement that runs for ever ends with its session.
    signal.addEventListener("abort", () => void copy.sql.end({ timeout: 0 }), { once: true });
    await installLook(copy.sql);
    const { facts: before, mark } = await readFacts(copy.sql);
    const watch: Watch = { copy, before, facts: before, mark };
    const scripts: ObservedScript[] = [];
    for (const one of planned) {
      signal.throwIfAborted();
      scripts.push({ ...one, statements: await observeScript(watch, one.script) });
    }
    return work({ before, scripts, copy });
  });
}

/** The copy, and what is known of it. */
export interface Watch extends Known {
  readonly copy: Database;
}

async function observeScript(watch: Watch, script: Script): Promise<readonly ObservedStatement[]> {
  const segments = await segmentsOf(script);
  const localOf: Local = async (statement) => {
    const { statements } = await withoutClusterWide({ ...script, statements: [statement] });
    return statements.length === 0 ? undefined : statements.map(({ sql }) => sql).join(";\n");
  };
  const observed: ObservedStatement[] = [];
  // As a run begins each transaction: nothing of an earlier file is left in the session.
  await watch.copy.sql.unsafe("reset session authorization; reset role; reset all");
  for (const [transaction, segment] of segments.entries()) {
    const seen = segment.transactional
      ? observeTransaction(watch, { statements: segment.statements, transaction }, localOf)
      : observeLone(watch, segment, transaction, localOf);
    observed.push(...(await seen));
  }
  return observed;
}
