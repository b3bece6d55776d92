import { setImmediate } from "node:timers/promises";
import type { LedgerName, Settings } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { showServer } from "../database/inspect.ts";
import { hasRows, insertRow, type LedgerRow } from "../database/ledger.ts";
import { withLock } from "../database/lock.ts";
import type { PartialRun } from "../database/run-log-rows.ts";
import { type Expected, type Listener, SILENT } from "../events.ts";
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

/** What somebody has found out about a run before it. */
export interface Clearance {
  /** For the run log, beside each migration. */
  readonly note?: string | undefined;
  /** By tag: what the plan says of it. */
  readonly expected: ReadonlyMap<string, Expected>;
}

/**
 * Asked under the lock, before the first write: whether a run may begin.
 * @throws MigratorError where it may not
 */
export type Gate = (database: Database, now: Survey) => Promise<Clearance>;

/**
 * Applies what is pending: in journal order, each migration in a transaction of its own with its ledger row inside.
 * @param gate may refuse
 */
export async function migrate(
  settings: Settings,
  options: MigrateOptions = {},
  on: Listener = SILENT,
  signal: AbortSignal = NEVER,
  gate?: Gate,
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
      const [now] = await Promise.all([survey(options), divideAhead(glance.run)]);
      const { plan, run, inspection } = now;
      assertNoErrors(plan.problems, on);
      on({ type: "problems", problems: plan.problems });
      if (run.length === 0) return resultOf(database, now, []);
      const clearance = await gate?.(database, now);
      const jobs = (await jobsOf(run, settings.ledger, inspection.ledger, plan.cut)).map((job) => ({
        ...job,
        note: clearance?.note,
        expected: clearance?.expected.get(job.migration.tag),
      }));
      on({ type: "planned", tags: run.map((migration) => migration.tag), direction: "up" });
      const books = openBooks(inspection.facts, settings.ledger, on);
      const applied = await withRunContext({ database, settings, on, signal }, inspection.facts, (context) =>
        runJobs(context, jobs, books),
      );
      return resultOf(database, now, applied);
    });
  };
  return withProject(settings, work, on);
}

/**
 * Migrations as what is to be run, one after the other.
 * @param rows of the ledger, as they are before
 * @param cut runs of them that were cut
 */
export async function jobsOf(
  migrations: readonly Migration[],
  ledger: LedgerName,
  rows: readonly LedgerRow[],
  cut: ReadonlyMap<Migration, PartialRun> = new Map(),
): Promise<readonly Job[]> {
  const rowsOf = new Map<string, number>();
  const count = (hash: string) => {
    const nth = (rowsOf.get(hash) ?? 0) + 1;
    rowsOf.set(hash, nth);
    return nth;
  };
  for (const { hash } of rows) count(hash);
  const jobOf = async (migration: Migration): Promise<Job> => {
    const script = scriptOf(migration);
    const { hash } = script;
    const done = hasRows(ledger, hash, count(hash));
    return {
      migration,
      direction: "up",
      script,
      segments: await segmentsOf(script),
      hash,
      inLedger: insertRow(ledger, hash, migration.when),
      done,
      guards: [],
      partial: cut.get(migration),
    };
  };
  return Promise.all(migrations.map(jobOf));
}

/** Work for the time in which the server is asked: dividing 200 files takes 10 ms. What is wrong with one is said later. */
async function divideAhead(migrations: readonly Migration[]): Promise<void> {
  // Once the questions are sent.
  await setImmediate();
  await Promise.allSettled(migrations.map(({ up }) => up && segmentsOf(up)));
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
