import { interruptible } from "../apply/interruptible.ts";
import { assertNoErrors } from "../apply/preconditions.ts";
import { notReplayed } from "../apply/replayable.ts";
import { chooseUndos } from "../apply/undo-plan.ts";
import { readCatalog } from "../catalog/read.ts";
import type { Settings } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { showServer } from "../database/inspect.ts";
import { readLastRuns } from "../database/run-log-rows.ts";
import { warnOfMajors, withScratch } from "../database/scratch.ts";
import { type Listener, SILENT } from "../events.ts";
import type { Problem } from "../problem.ts";
import { appliedOf, type Survey, type SurveyOptions, type Surveyor, withProject } from "../survey.ts";
import { assess } from "./assess.ts";
import { type Basis, basisOf } from "./basis.ts";
import { type Observation, observe } from "./observe.ts";
import type { PlannedScript } from "./observed.ts";
import type { MigrationReview } from "./reviewed.ts";

/** What pending migrations would do to a database, before any of them has run. */
export interface Review {
  /** What it rests on, where that was asked for. */
  readonly basis: Basis | undefined;
  readonly database: string;
  /** `127.0.0.1:5432 (PostgreSQL 17.10)` */
  readonly server: string;
  readonly direction: "up" | "down";
  /** ISO 8601, UTC. */
  readonly reviewedAt: string;
  readonly migrations: readonly MigrationReview[];
  readonly problems: readonly Problem[];
}

export interface ReviewOptions extends SurveyOptions {
  /** Reviews a rollback instead: of so many migrations, or of those after `to`. */
  readonly down?: boolean | undefined;
  readonly steps?: number | undefined;
  /** Whether the target's whole schema is read, for somebody to be held to the plan; for a large one that takes half a second. */
  readonly withBasis?: boolean | undefined;
}

/**
 * Says what would happen: runs what is pending on a copy of the target's schema and reads what it locks and changes there,
 * and asks the target's own data whether it fits. Only reads the target.
 * @throws MigratorError those of a plan with errors, `cannot-check`, `no-scratch`
 */
export async function review(
  settings: Settings,
  options: ReviewOptions = {},
  on: Listener = SILENT,
  signal: AbortSignal = new AbortController().signal,
): Promise<Review> {
  const work = async (database: Database, survey: Surveyor) =>
    reviewSurvey(settings, database, await survey(options.down === true ? {} : options), options, on, signal);
  return interruptible("the plan", signal, () => withProject(settings, work, on));
}

/** The same for a survey that somebody has made, of a database that is open. */
export async function reviewSurvey(
  settings: Settings,
  database: Database,
  seen: Survey,
  options: ReviewOptions,
  on: Listener,
  signal: AbortSignal,
): Promise<Review> {
  const { facts } = seen.inspection;
  const planned = options.down === true ? undosOf(seen, options) : ups(seen, on);
  const [basis, migrations] = await Promise.all([
    options.withBasis === true ? readBasis(settings, database, seen, planned, options) : undefined,
    planned.length === 0 ? [] : reviewOf(settings, database, { seen, planned }, on, signal),
  ]);
  return {
    basis,
    database: facts.database,
    server: showServer(database, facts),
    direction: options.down === true ? "down" : "up",
    reviewedAt: new Date().toISOString(),
    migrations,
    problems: seen.plan.problems,
  };
}

/** What a plan of what is pending would rest on now. */
export async function basisNow(settings: Settings, database: Database, seen: Survey): Promise<Basis> {
  return readBasis(settings, database, seen, ups(seen, SILENT), {});
}

async function readBasis(
  settings: Settings,
  database: Database,
  { inspection: { facts, ledger } }: Survey,
  planned: readonly PlannedScript[],
  { down = false }: ReviewOptions,
): Promise<Basis> {
  const catalog = await readCatalog(database, { ledger: settings.ledger });
  return basisOf({ database: facts.database, direction: down ? "down" : "up", ledger, planned, catalog });
}

function ups({ plan, run }: Survey, on: Listener): readonly PlannedScript[] {
  assertNoErrors(plan.problems, on);
  return run.flatMap((migration) => (migration.up ? [{ migration, script: migration.up }] : []));
}

function undosOf({ folder, plan }: Survey, options: ReviewOptions): readonly PlannedScript[] {
  return chooseUndos(folder, plan, options).map(({ migration, down }) => ({ migration, script: down }));
}

async function reviewOf(
  settings: Settings,
  database: Database,
  { seen, planned }: { readonly seen: Survey; readonly planned: readonly PlannedScript[] },
  on: Listener,
  signal: AbortSignal,
): Promise<readonly MigrationReview[]> {
  const applied = appliedOf(seen);
  const runs = await readLastRuns(database, settings);
  return withScratch(settings.scratch, database.href, async (scratch) => {
    warnOfMajors(scratch, seen.inspection.facts.version, on);
    const work = (observation: Observation) =>
      assess(observation, { major: scratch.major, session: database.sql, runs });
    return observe(settings, scratch, { applied, planned }, signal, work);
  }).catch((cause: unknown) => {
    throw notReplayed(cause);
  });
}
