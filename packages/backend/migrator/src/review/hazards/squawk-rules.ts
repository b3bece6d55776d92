import type { HazardContext } from "./hazard.ts";
import { blockedBy } from "./locked.ts";
import { relationsNamedBy } from "./nodes.ts";
import type { Found, HazardKind } from "./rule.ts";
import { changesOf } from "./rules/work.ts";
import { listOf, spoken, sqlName, withRows } from "./words.ts";

/** A rule of squawk's that the migrator reports under squawk's name. */
export interface KeptRule extends HazardKind {
  readonly keep: true;
  /** `hot`: where the statement keeps others from a table in use. `existing`: where it names a table that was there before. */
  readonly where: "hot" | "existing" | "always";
  /** In the user's own names; without it, squawk's words. */
  readonly say?: (context: HazardContext) => Partial<Found>;
}

/** A rule of squawk's whose matter one of ours measures: it only speaks where the statement did not run on the copy. */
export interface StandIn {
  readonly standsIn: string;
  readonly where: "hot" | "existing";
}

/** A rule of squawk's that is not reported, and why. */
export interface LeftOut {
  readonly leftOut: string;
}

const TIMEOUTS = "the runner sets lock_timeout and statement_timeout itself";
const SCHEMA_TASTE =
  "says how a schema should be written, which its Drizzle schema decides; to run it hurts nobody";
const SEGMENTS = "the runner divides a file by itself where a statement cannot run in a transaction";

/** All rules of squawk 2.66. One that is not here, of a later version, is reported as `low` in squawk's own words. */
export const SQUAWK_RULES: Readonly<Record<string, KeptRule | StandIn | LeftOut>> = {
  "require-concurrent-index-deletion": {
    keep: true,
    id: "require-concurrent-index-deletion",
    where: "hot",
    severity: "medium",
    title: "DROP INDEX without CONCURRENTLY",
    effect: "It waits for every query of the table that runs, and all that come after wait behind it.",
    safer: "DROP INDEX CONCURRENTLY: the migrator runs it outside of a transaction.",
    say: (context) => {
      const names = changesOf(context, "index-dropped").map(({ relation }) => relation);
      return {
        message: `${listOf(names.map(spoken))}: reads and writes of ${hotTables(context)} wait for the drop, and it for them`,
        safer: names.map((name) => `DROP INDEX CONCURRENTLY ${sqlName(name)};`).join("\n"),
      };
    },
  },
  "require-concurrent-reindex": {
    keep: true,
    id: "require-concurrent-reindex",
    where: "hot",
    severity: "high",
    title: "REINDEX without CONCURRENTLY",
    effect: "Writes to the table wait until the index is built, and so do reads that would use it.",
    safer: "REINDEX … CONCURRENTLY",
    say: (context) => ({
      message: `nobody can write to ${hotTables(context)} while indexes are built anew`,
      safer: `${context.statement.sql.replace(/;?\s*$/, "").replace(/\b(index|table|schema|database)\b/i, (word) => `${word} CONCURRENTLY`)};`,
    }),
  },
  "require-concurrent-partition-detach": {
    keep: true,
    id: "require-concurrent-partition-detach",
    where: "hot",
    severity: "medium",
    title: "DETACH PARTITION without CONCURRENTLY",
    effect:
      "It waits for every query of the partitioned table that runs, and all that come after wait behind it.",
    safer: "ALTER TABLE … DETACH PARTITION … CONCURRENTLY",
    say: (context) => ({
      message: `reads and writes of ${hotTables(context)} wait for the partition to be detached`,
      safer: `${context.statement.sql.replace(/;?\s*$/, "")} CONCURRENTLY;`,
    }),
  },
  "ban-drop-not-null": {
    keep: true,
    id: "ban-drop-not-null",
    where: "existing",
    severity: "low",
    title: "A column may be NULL from now on",
    effect: "Running code that reads the column may not expect a NULL.",
    safer: "Let no NULL be written before all running code can read one.",
    say: (context) => ({ message: `a column of ${existingTables(context)} may be NULL from now on` }),
  },
  "ban-drop-database": {
    keep: true,
    id: "ban-drop-database",
    where: "always",
    severity: "high",
    title: "DROP DATABASE",
    effect: "All of the database is gone, and no rollback brings it back.",
    safer: "Drop a database by hand, once there is a backup of it and nobody is connected.",
  },
  "identifier-too-long": {
    keep: true,
    id: "identifier-too-long",
    where: "always",
    severity: "low",
    title: "A name longer than 63 bytes",
    effect:
      "PostgreSQL cuts it off: the object has another name than the file and the schema say, and two such names may be one.",
    safer: "Give it a shorter name in the Drizzle schema.",
  },
  "require-concurrent-index-creation": { standsIn: "index-without-concurrently", where: "hot" },
  "constraint-missing-not-valid": { standsIn: "check-scan", where: "hot" },
  "adding-field-with-default": { standsIn: "table-rewrite", where: "hot" },
  "adding-foreign-key-constraint": { standsIn: "foreign-key-scan", where: "hot" },
  "changing-column-type": { standsIn: "table-rewrite", where: "hot" },
  "adding-not-nullable-field": { standsIn: "not-null-scan", where: "hot" },
  "adding-serial-primary-key-field": { standsIn: "key-built-under-lock", where: "hot" },
  "disallowed-unique-constraint": { standsIn: "key-built-under-lock", where: "hot" },
  "ban-alter-domain-with-add-constraint": { standsIn: "scan-under-lock", where: "hot" },
  "prefer-repack": { standsIn: "table-rewrite", where: "hot" },
  "ban-truncate-cascade": { standsIn: "truncated-table", where: "hot" },
  "adding-required-field": { standsIn: "required-column", where: "existing" },
  "renaming-column": { standsIn: "renamed-column", where: "existing" },
  "renaming-table": { standsIn: "renamed-table", where: "existing" },
  "ban-drop-column": { standsIn: "dropped-column", where: "existing" },
  "ban-drop-table": { standsIn: "dropped-table", where: "existing" },
  "require-timeout-settings": { leftOut: TIMEOUTS },
  "require-lock-timeout": { leftOut: TIMEOUTS },
  "require-statement-timeout": { leftOut: TIMEOUTS },
  "ban-concurrent-index-creation-in-transaction": { leftOut: SEGMENTS },
  "transaction-nesting": { leftOut: SEGMENTS },
  "ban-uncommitted-transaction": { leftOut: "the runner ends each transaction itself" },
  "prefer-robust-stmts": {
    leftOut: "each file is one transaction, and one that is cut resumes where it stopped",
  },
  "prefer-bigint-over-int": { leftOut: SCHEMA_TASTE },
  "prefer-bigint-over-smallint": { leftOut: SCHEMA_TASTE },
  "prefer-identity": { leftOut: SCHEMA_TASTE },
  "prefer-text-field": { leftOut: SCHEMA_TASTE },
  "prefer-timestamp-tz": { leftOut: SCHEMA_TASTE },
  "ban-char-field": { leftOut: SCHEMA_TASTE },
  "ban-create-domain-with-constraint": { leftOut: SCHEMA_TASTE },
  "require-enum-value-ordering": { leftOut: SCHEMA_TASTE },
  "require-table-schema": { leftOut: SCHEMA_TASTE },
  "ban-duplicate-column-assignments": { leftOut: "the server refuses it on the copy, in its own words" },
  "syntax-error": { leftOut: "the server refuses it on the copy, in its own words" },
  "unused-ignore": { leftOut: "squawk is given the statements without comments" },
};

function hotTables(context: HazardContext): string {
  return listOf(blockedBy(context, context.statement).map(({ relation }) => withRows(context, relation)));
}

function existingTables(context: HazardContext): string {
  return listOf(relationsNamedBy(context).map(spoken));
}
