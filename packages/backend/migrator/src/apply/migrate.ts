import type { LedgerName, Settings } from "../config.ts";
import { type Database, withDatabase } from "../database/connect.ts";
import { type Inspection, inspect, showServer } from "../database/inspect.ts";
import { insertRowSql } from "../database/ledger.ts";
import { withLock } from "../database/lock.ts";
import { MigratorError } from "../errors.ts";
import { type Listener, SILENT } from "../events.ts";
import { type Migration, type MigrationFolder, readFolder, type Script } from "../folder/read.ts";
import { type Plan, planMigrations } from "../plan.ts";
import type { Problem } from "../problem.ts";
import { openBooks } from "./bookkeeping.ts";
import { assertNoErrors, assertWritable } from "./preconditions.ts";
import { type Job, type Ran, runJobs } from "./run.ts";

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
): Promise<MigrateResult> {
  const folder = await readFolder(settings.migrations);
  const work = async (database: Database) => {
    const before = await inspect(database, settings.ledger);
    const glance = choose(folder, before, options);
    if (glance.run.length === 0) return resultOf(database, before, glance, []);
    assertWritable(database, before.facts, settings.ledger);
    return withLock(database, settings.ledger, settings.lockWaitMs, on, async () => {
      // Another runner may have worked while this one waited: what counts is the ledger as it is under the lock.
      const now = await inspect(database, settings.ledger);
      const chosen = choose(folder, now, options);
      on({ type: "problems", problems: chosen.plan.problems });
      on({ type: "planned", tags: chosen.run.map((migration) => migration.tag), direction: "up" });
      const jobs = chosen.run.map((migration) => jobOf(migration, settings.ledger));
      const applied = await runJobs(database, settings, jobs, openBooks(now.facts, settings.ledger, on), on);
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
function choose(folder: MigrationFolder, { ledger }: Inspection, options: MigrateOptions): Choice {
  const plan = planMigrations(folder, ledger, { ...options, now: Date.now() });
  const last = options.to === undefined ? Number.POSITIVE_INFINITY : indexOfTag(folder, options.to);
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

function jobOf(migration: Migration, ledger: LedgerName): Job {
  const script = scriptOf(migration);
  const ledgerSql = insertRowSql(ledger, script.hash, migration.when);
  return { migration, direction: "up", script, hash: script.hash, ledgerSql, guards: [] };
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
