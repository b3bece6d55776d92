import type { SchemaFacts } from "../facts.ts";
import type { ObservedScript, ObservedStatement } from "../observed.ts";

export const SEVERITIES = ["low", "medium", "high"] as const;

/** `high`: stops a service, breaks running code or loses data. `medium`: may, under load or on large tables. `low`: good to know. */
export type Severity = (typeof SEVERITIES)[number];

/** Something about a statement that can hurt running code or traffic. */
export interface Hazard {
  /** Stable, kebab-case; a comment in the file names it to accept it. */
  readonly id: string;
  readonly severity: Severity;
  /** What it is, in the user's own names, in one sentence. */
  readonly message: string;
  /** What it does to running code or traffic. */
  readonly effect: string;
  /** The safer form: SQL in the user's own names, ready to run, or a sentence where there is none. */
  readonly safer: string | undefined;
  /** Who found it. */
  readonly source: "migrator" | "squawk";
  /** The reason in the file's `-- allow: <id> <reason>`; undefined where nobody accepted it. */
  readonly allowed: string | undefined;
}

/** How much a table matters to others while the plan runs. */
export interface Heat {
  /** False for what the plan itself makes, and for tables without rows: nobody waits for them. */
  isHot(oid: number): boolean;
  /** Rows of a table that was there before the plan, where known; 0 for an empty one. */
  rowsOf(oid: number): number | undefined;
}

/** What a rule may look at. */
export interface HazardContext {
  /** The schema before the plan. */
  readonly before: SchemaFacts;
  /** All files of the plan, in order. */
  readonly scripts: readonly ObservedScript[];
  readonly script: ObservedScript;
  readonly statement: ObservedStatement;
  /** The schema before this statement. */
  readonly facts: SchemaFacts;
  readonly heat: Heat;
  /** Indexes that an interrupted build has left on the target, where there is one: `public.users_email_idx`. */
  readonly invalidIndexes?: ReadonlySet<string> | undefined;
  /** The statement's commands as PostgreSQL's own parser gives them: node name and fields. */
  readonly nodes: readonly { readonly type: string; readonly node: Readonly<Record<string, unknown>> }[];
}
