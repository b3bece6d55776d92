import type { LedgerName, Settings } from "../config.ts";
import { type Database, withDatabase } from "../database/connect.ts";
import { type Inspection, inspect, showServer } from "../database/inspect.ts";
import { insertRowSql } from "../database/ledger.ts";
import { withLock } from "../database/lock.ts";
import type { PartialRun } from "../database/run-log.ts";
import { MigratorError } from "../errors.ts";
import { type Listener, SILENT } from "../events.ts";
import { type Migration, type MigrationFolder, readFolder, type Script } from "../folder/read.ts";
import { isSchemaAhead } from "../folder/schema-ahead.ts";
import { segmentsOf } from "../folder/segments.ts";
import { type Plan, planMigrations } from "../plan.ts";
import type { Problem } from "../problem.ts";
import { openBooks } from "./bookkeeping.ts";
import { NEVER, withRunContext } from "./context.ts";
import type { Job } from "./job.ts";
import { assertNoErrors, assertWritable } from "./preconditions.ts";
import { type Ran, runJobs } from "./run.ts";

export interface MigrateOptions {
  /** Last migration to apply; all of them unless said. */
  readonly to?: string | undefined;
  /** Also runs migrations whose place is before an applied one. */
  readonly allowOutOfOrder?: boolean | undefined;
}

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
  const folder = await readFolder(settings.migrations);
  const schemaAhead = settings.strict && (await isSchemaAhead(settings));
  const work = async (database: Database) => {
    const before = await inspect(database, settings.ledger);
    const glance = choose(settings, folder, before, { ...options, schemaAhead });
    if (glance.run.length === 0) {
      on({ type: "problems", problems: glance.plan.problems });
      return resultOf(database, before, glance, []);
    }
    assertWritable(database, before.facts, settings.ledger);
    return withLock(database, settings.ledger, settings.limits.lockWaitMs, { on, signal }, async () => {
      // Another runner may have worked while this one waited: what counts is the ledger as it is under the lock.
      const now = await inspect(database, settings.ledger);
      const chosen = choose(settings, folder, now, { ...options, schemaAhead });
      on({ type: "problems", problems: chosen.plan.problems });
      if (chosen.run.length === 0) return resultOf(database, now, chosen, []);
      on({ type: "planned", tags: chosen.run.map((migration) => migration.tag), direction: "up" });
      const jobs = await Promise.all(
        chosen.run.map((migration) => jobOf(migration, settings.ledger, now.partials)),
      );
      const books = openBooks(now.facts, settings.ledger, on);
      const applied = await withRunContext({ database, settings, on, signal }, now.facts, (context) =>
        runJobs(context, jobs, books),
      );
      return resultOf(database, now, chosen, applied);
    });
  };
  return withDatabase(settings.connection, work, on);
}

interface Choice {
  readonly plan: Plan;
  readonly run: readonly Migration[];
}

/** @throws MigratorError while folder and ledger disagree, and for an unknown `to` */
function choose(
  { severities, strict }: Settings,
  folder: MigrationFolder,
  { ledger, partials }: Inspection,
  { allowOutOfOrder, schemaAhead, to }: MigrateOptions & { readonly schemaAhead: boolean },
): Choice {
  const plan = planMigrations(folder, ledger, {
    allowOutOfOrder,
    partials,
    schemaAhead,
    severities,
    strict,
    now: Date.now(),
  });
  const last = to === undefined ? Number.POSITIVE_INFINITY : indexOfTag(folder, to);
  const run = plan.pending.filter((migration) => folder.migrations.indexOf(migration) <= last);
  assertNoErrors(plan.problems);
  return { plan, run };
}

/** @throws MigratorError `unknown-tag` */
export function indexOfTag(folder: MigrationFolder, tag: string): number {
  const index = folder.migrations.findIndex((migration) => migration.tag === tag);
  if (index >= 0) return index;
  throw new MigratorError({
    code: "unknown-tag",
    message: `there is no migration ${JSON.stringify(tag)} in ${folder.path}`,
    details: [`there are: ${folder.migrations.map((migration) => migration.tag).join(", ")}`],
    state: "nothing was changed",
    fix: "give --to one of these",
  });
}

async function jobOf(
  migration: Migration,
  ledger: LedgerName,
  partials: readonly PartialRun[],
): Promise<Job> {
  const script = scriptOf(migration);
  return {
    migration,
    direction: "up",
    script,
    segments: await segmentsOf(script),
    hash: script.hash,
    ledgerSql: insertRowSql(ledger, script.hash, migration.when),
    guards: [],
    partial: partials.find((partial) => partial.direction === "up" && partial.scriptHash === script.hash),
  };
}

/** The plan stops every run with a missing file before this is asked. */
function scriptOf(migration: Migration): Script {
  if (migration.up === undefined) throw new Error(`${migration.fileName} is missing`);
  return migration.up;
}

function resultOf(
  database: Database,
  { facts }: Inspection,
  { plan, run }: Choice,
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
