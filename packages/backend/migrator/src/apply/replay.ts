import type { Settings } from "../config.ts";
import { type Database, withUrl } from "../database/connect.ts";
import { inspect } from "../database/inspect.ts";
import { withLock } from "../database/lock.ts";
import { SILENT } from "../events.ts";
import { withoutClusterWide } from "../folder/cluster-wide.ts";
import type { Migration } from "../folder/read.ts";
import { openBooks } from "./bookkeeping.ts";
import { withRunContext } from "./context.ts";
import type { Job } from "./job.ts";
import { jobsOf } from "./migrate.ts";
import { runJobs } from "./run.ts";

/**
 * Runs migrations on a scratch database, in the order given, leaving out what would reach beyond it.
 * @throws MigratorError of the first that fails
 */
export async function replay(
  settings: Settings,
  url: string,
  migrations: readonly Migration[],
  signal: AbortSignal,
): Promise<void> {
  if (migrations.length === 0) return;
  const jobs = await replayJobs(settings, migrations);
  await withUrl(url, (database) => replayOn(settings, database, jobs, signal));
}

/** What a replay runs; it can be made while its database still is. */
export async function replayJobs(
  settings: Settings,
  migrations: readonly Migration[],
): Promise<readonly Job[]> {
  return jobsOf(await Promise.all(migrations.map(localOf)), settings.ledger, []);
}

/** The same on a connection that is open, and stays so, with whatever the migrations have set for it. */
export async function replayOn(
  settings: Settings,
  database: Database,
  jobs: readonly Job[],
  signal: AbortSignal,
): Promise<void> {
  if (jobs.length === 0) return;
  const on = SILENT;
  await withLock(database, settings.ledger, settings.limits.lockWaitMs, { on, signal }, async () => {
    const { facts } = await inspect(database, settings, on);
    const books = openBooks(facts, settings.ledger, on);
    await withRunContext({ database, settings, on, signal }, facts, (context) =>
      runJobs(context, jobs, books),
    );
  });
}

/** A migration without what would reach beyond its database. */
export async function localOf(migration: Migration): Promise<Migration> {
  return { ...migration, up: migration.up && (await withoutClusterWide(migration.up)) };
}
