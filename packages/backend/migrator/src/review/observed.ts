import type { Migration, Script } from "../folder/read.ts";
import type { Change } from "./changes.ts";
import type { Relation, SchemaFacts } from "./facts.ts";
import type { LockMode } from "./locks.ts";

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
  /** Counts the file's SQL commands from 1; of several between two breakpoints each has its own. */
  readonly number: number;
  /** Number of the statement as `migrate` counts: of the text between two breakpoints. */
  readonly chunk: number;
  /** The name of its parse node: `AlterTableStmt`; empty where the parser does not know it. */
  readonly type: string;
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
