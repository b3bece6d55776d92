import type { LedgerName, Settings } from "../config.ts";
import { type Database, withDatabase } from "../database/connect.ts";
import { type Inspection, inspect, showServer } from "../database/inspect.ts";
import { deleteRowSql } from "../database/ledger.ts";
import { withLock } from "../database/lock.ts";
import type { PartialRun } from "../database/run-log.ts";
import { MigratorError } from "../errors.ts";
import { type Listener, SILENT } from "../events.ts";
import { readFolder } from "../folder/read.ts";
import { segmentsOf } from "../folder/segments.ts";
import { planMigrations } from "../plan.ts";
import type { Problem } from "../problem.ts";
import { openBooks } from "./bookkeeping.ts";
import { NEVER, type RunContext, withRunContext } from "./context.ts";
import type { Step } from "./execute.ts";
import type { Job } from "./job.ts";
import { assertStillEmptySteps, type Loss, measureLosses, showLoss } from "./losses.ts";
import { assertWritable } from "./preconditions.ts";
import { withRetries } from "./retry.ts";
import { type Ran, runJobs } from "./run.ts";
import { chooseUndos, type UndoStep } from "./undo-plan.ts";

export interface RollbackOptions {
  /** How many migrations to undo; 1 unless said. */
  readonly steps?: number | undefined;
  /** Tag that stays applied: everything applied after it is undone. */
  readonly to?: string | undefined;
  /** Goes on although tables or columns that hold rows are dropped. */
  readonly allowDataLoss?: boolean | undefined;
  /** In production: the database's name, as a sign that this one is meant. */
  readonly confirm?: string | undefined;
}

export interface RollbackResult {
  readonly database: string;
  readonly server: string;
  /** In the order in which they were undone. */
  readonly rolledBack: readonly Ran[];
  /** What was dropped with rows in it. */
  readonly lost: readonly Loss[];
  readonly problems: readonly Problem[];
}

/** Undoes the last applied migrations by their down files, each with its ledger row in one transaction. */
export async function rollback(
  settings: Settings,
  options: RollbackOptions = {},
  on: Listener = SILENT,
  signal: AbortSignal = NEVER,
): Promise<RollbackResult> {
  const folder = await readFolder(settings.migrations);
  const work = async (database: Database) => {
    const { facts } = await inspect(database, settings.ledger);
    assertConfirmed(settings, options, facts.database);
    assertWritable(database, facts, settings.ledger, "down");
    return withLock(database, settings.ledger, settings.limits.lockWaitMs, { on, signal }, async () => {
      const now = await inspect(database, settings.ledger);
      const plan = planMigrations(folder, now.ledger, {
        partials: now.partials,
        severities: settings.severities,
        now: Date.now(),
      });
      const undos = chooseUndos(folder, plan, options);
      on({ type: "planned", tags: undos.map((undo) => undo.tag), direction: "down" });
      const jobs = await Promise.all(undos.map((undo) => jobOf(undo, settings.ledger, now.partials)));
      const books = openBooks(now.facts, settings.ledger, on);
      const { losses, rolledBack } = await withRunContext(
        { database, settings, on, signal },
        now.facts,
        async (context) => {
          const found = await lossesOf(context, jobs);
          assertNothingLost(found, options);
          const guarded = jobs.map((job) => ({ ...job, guards: guardsOf(job, found) }));
          return { losses: found, rolledBack: await runJobs(context, guarded, books) };
        },
      );
      return resultOf(database, now, plan.problems, rolledBack, losses);
    });
  };
  return withDatabase(settings.connection, work, on);
}

/** Runs the down files on trial. One that fails is found out here, before anything is undone. */
async function lossesOf(context: RunContext, jobs: readonly Job[]): Promise<readonly Loss[]> {
  const [first] = jobs;
  if (first === undefined) return [];
  try {
    return await withRetries(context, first.migration.tag, () => measureLosses(context, jobs));
  } catch (error) {
    throw error instanceof MigratorError ? error.withState("nothing was rolled back") : error;
  }
}

function assertConfirmed(settings: Settings, { confirm }: RollbackOptions, database: string): void {
  if (!settings.production || confirm === database) return;
  throw new MigratorError({
    code: "not-confirmed",
    message: `NODE_ENV is production, and a rollback there must name the database it means: it is ${JSON.stringify(database)}${confirm === undefined ? "" : `, not ${JSON.stringify(confirm)}`}`,
    state: "nothing was rolled back",
    fix: `if that is the one: --confirm ${database}`,
  });
}

function assertNothingLost(losses: readonly Loss[], { allowDataLoss = false }: RollbackOptions): void {
  const filled = losses.filter((loss) => loss.rows > 0);
  if (filled.length === 0 || allowDataLoss) return;
  throw new MigratorError({
    code: "data-loss",
    message: `the rollback would lose data in ${filled.length === 1 ? "one place" : `${filled.length} places`}`,
    details: filled.map((loss) => `${loss.tag} drops ${showLoss(loss)}, which holds ${rowsIn(loss)}`),
    state: "nothing was rolled back",
    fix: "save these rows first; then go on with --allow-data-loss",
  });
}

function rowsIn({ rows, column }: Loss): string {
  const what = column === undefined ? "row" : "value";
  return `${rows.toLocaleString("en-US")} ${what}${rows === 1 ? "" : "s"}`;
}

async function jobOf(undo: UndoStep, ledger: LedgerName, partials: readonly PartialRun[]): Promise<Job> {
  const { migration, down, row } = undo;
  return {
    migration,
    direction: "down",
    script: down,
    segments: await segmentsOf(down),
    hash: row.hash,
    ledgerSql: deleteRowSql(ledger, row.id),
    guards: [],
    partial: partials.find((partial) => partial.direction === "down" && partial.scriptHash === down.hash),
  };
}

/** What was empty when measured must still be. */
function guardsOf({ migration }: Job, losses: readonly Loss[]): readonly Step[] {
  return assertStillEmptySteps(losses.filter((loss) => loss.tag === migration.tag && loss.rows === 0));
}

function resultOf(
  database: Database,
  { facts }: Inspection,
  problems: readonly Problem[],
  rolledBack: readonly Ran[],
  losses: readonly Loss[],
): RollbackResult {
  return {
    database: facts.database,
    server: showServer(database, facts),
    rolledBack,
    lost: losses.filter((loss) => loss.rows > 0),
    problems,
  };
}
