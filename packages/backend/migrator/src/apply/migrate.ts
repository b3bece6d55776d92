import type { LedgerName, Settings } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { showServer } from "../database/inspect.ts";
import { hasRowSql, insertRowSql } from "../database/ledger.ts";
import { withLock } from "../database/lock.ts";
import type { PartialRun } from "../database/run-log.ts";
import { type Listener, SILENT } from "../events.ts";
import type { Migration, Script } from "../folder/read.ts";
import { segmentsOf } from "../folder/segments.ts";
import type { Problem } from "../problem.ts";
import { type Survey, type SurveyOptions, type Surveyor, withProject } from "../survey.ts";
import { openBooks } from "./bookkeeping.ts";
import { NEVER, withRunContext } from "./context.ts";
import type { Job } from "./job.ts";
import { assertNoErrors, assertWritable } from "./preconditions.ts";
import { type Ran, runJobs } from "./run.ts";

export type MigrateOptions = SurveyOptions;

export interface MigrateResult {
  readonly database: string;
  /** `127.0.0.1:5432 (PostgreSQL 17.10)` */
  readonly server: string;
  readonly applied: readonly Ran[];
  /** How many had been applied before this run. */
  readonly alreadyApplied: number;
  /** Tags that stay pending, because of `to`. */
  readonly leftPending: readonly string[];
  /** Warnings; errors stop a run. */
  readonly problems: readonly Problem[];
}

/** Applies what is pending: in journal order, each migration in a transaction of its own with its ledger row inside. */
export async function migrate(
  settings: Settings,
  options: MigrateOptions = {},
  on: Listener = SILENT,
  signal: AbortSignal = NEVER,
): Promise<MigrateResult> {
  const work = async (database: Database, survey: Surveyor) => {
    const glance = await survey(options);
    assertNoErrors(glance.plan.problems, on);
    if (glance.run.length === 0) {
      on({ type: "problems", problems: glance.plan.problems });
      return resultOf(database, glance, []);
    }
    assertWritable(database, glance.inspection.facts, settings.ledger);
    return withLock(database, settings.ledger, settings.limits.lockWaitMs, { on, signal }, async () => {
      // Another runner may have worked while this one waited: what counts is the ledger as it is under the lock.
      const now = await survey(options);
      const { plan, run, inspection } = now;
      assertNoErrors(plan.problems, on);
      on({ type: "problems", problems: plan.problems });
      if (run.length === 0) return resultOf(database, now, []);
      on({ type: "planned", tags: run.map((migration) => migration.tag), direction: "up" });
      const jobs = await Promise.all(
        run.map((migration) => jobOf(migration, settings.ledger, plan.cut.get(migration))),
      );
      const books = openBooks(inspection.facts, settings.ledger, on);
      const applied = await withRunContext({ database, settings, on, signal }, inspection.facts, (context) =>
        runJobs(context, jobs, books),
      );
      return resultOf(database, now, applied);
    });
  };
  return withProject(settings, work, on);
}

/** A migration as what is to be run. */
export async function jobOf(
  migration: Migration,
  ledger: LedgerName,
  partial: PartialRun | undefined,
): Promise<Job> {
  const script = scriptOf(migration);
  return {
    migration,
    direction: "up",
    script,
    segments: await segmentsOf(script),
    hash: script.hash,
    ledgerSql: insertRowSql(ledger, script.hash, migration.when),
    doneSql: hasRowSql(ledger, script.hash),
    guards: [],
    partial,
  };
}

/** The plan stops every run with a missing file before this is asked. */
function scriptOf(migration: Migration): Script {
  if (migration.up === undefined) throw new Error(`${migration.fileName} is missing`);
  return migration.up;
}

function resultOf(
  database: Database,
  { inspection: { facts }, plan, run }: Survey,
  applied: readonly Ran[],
): MigrateResult {
  return {
    database: facts.database,
    server: showServer(database, facts),
    applied,
    alreadyApplied: plan.entries.filter((entry) => entry.row !== undefined && entry.tag !== null).length,
    leftPending: plan.pending
      .filter((migration) => !run.includes(migration))
      .map((migration) => migration.tag),
    problems: plan.problems,
  };
}
