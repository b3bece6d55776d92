import type { LedgerName, Settings } from "../config.ts";
import { type Database, withDatabase } from "../database/connect.ts";
import { type Inspection, inspect, showServer } from "../database/inspect.ts";
import { deleteRow, lacksRow } from "../database/ledger.ts";
import { withLock } from "../database/lock.ts";
import type { PartialRun } from "../database/run-log-rows.ts";
import { MigratorError } from "../errors.ts";
import { type Listener, SILENT } from "../events.ts";
import { readFolder } from "../folder/read.ts";
import { segmentsOf } from "../folder/segments.ts";
import { planMigrations } from "../plan.ts";
import type { Problem } from "../problem.ts";
import { openBooks } from "./bookkeeping.ts";
import { NEVER, type RunContext, withRunContext } from "./context.ts";
import type { Job } from "./job.ts";
import type { Loss } from "./losses.ts";
import { assertWritable } from "./preconditions.ts";
import { type Ran, runJobs } from "./run.ts";
import { assertReason, type LossOptions, type Outcome, safeguard } from "./safeguard.ts";
import type { Backup } from "./save.ts";
import { chooseUndos, type UndoStep } from "./undo-plan.ts";

export interface RollbackOptions extends LossOptions {
  /** How many migrations to undo; 1 unless said. */
  readonly steps?: number | undefined;
  /** Tag that stays applied: everything applied after it is undone. */
  readonly to?: string | undefined;
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
  /** Where these rows are, in the order in which they were saved. */
  readonly backups: readonly Backup[];
  readonly problems: readonly Problem[];
}

/** Undoes the last applied migrations by their down files, each with its ledger row in one transaction. */
export async function rollback(
  settings: Settings,
  options: RollbackOptions = {},
  on: Listener = SILENT,
  signal: AbortSignal = NEVER,
): Promise<RollbackResult> {
  assertReason(options);
  const folder = await readFolder(settings.migrations);
  const work = async (database: Database) => {
    const { facts } = await inspect(database, settings, on);
    assertConfirmed(settings, options, facts.database);
    assertWritable(database, facts, settings.ledger, "down");
    return withLock(database, settings.ledger, settings.limits.lockWaitMs, { on, signal }, async () => {
      const now = await inspect(database, settings, on);
      const plan = planMigrations(folder, now.ledger, {
        partials: now.partials,
        severities: settings.severities,
        now: Date.now(),
      });
      const undos = chooseUndos(folder, plan, options);
      const loses = undos.flatMap(({ tag, down }) => down.loses.map((what) => ({ tag, what })));
      const jobs = await Promise.all(undos.map((undo) => undoJobOf(undo, settings.ledger, now.partials)));
      on({ type: "planned", tags: undos.map((undo) => undo.tag), direction: "down", loses });
      const books = openBooks(now.facts, settings.ledger, on);
      const run = async (context: RunContext) => {
        const safe = await safeguard(context, jobs, options, { folder, facts: now.facts });
        return { rolledBack: await runJobs(context, safe.jobs, books), ...safe.outcome() };
      };
      const outcome = await withRunContext({ database, settings, on, signal }, now.facts, run);
      return resultOf(database, now, plan.problems, outcome);
    });
  };
  return withDatabase(settings.connection, work, on);
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

/** An undoing as what is to be run. */
export async function undoJobOf(
  undo: UndoStep,
  ledger: LedgerName,
  partials: readonly PartialRun[],
): Promise<Job> {
  const { migration, down, row } = undo;
  return {
    migration,
    direction: "down",
    script: down,
    segments: await segmentsOf(down),
    hash: row.hash,
    inLedger: deleteRow(ledger, row.id),
    done: lacksRow(ledger, row.id),
    guards: [],
    partial: partials.find(
      ({ direction, tag, scriptHash }) =>
        direction === "down" && tag === migration.tag && scriptHash === down.hash,
    ),
  };
}

function resultOf(
  database: Database,
  { facts }: Inspection,
  problems: readonly Problem[],
  { rolledBack, losses, backups }: Outcome & { readonly rolledBack: readonly Ran[] },
): RollbackResult {
  return {
    database: facts.database,
    server: showServer(database, facts),
    rolledBack,
    lost: losses.filter((loss) => loss.rows > 0),
    backups,
    problems,
  };
}
