import type { Settings } from "../config.ts";
import { withUrl } from "../database/connect.ts";
import { inspect } from "../database/inspect.ts";
import { withLock } from "../database/lock.ts";
import { SILENT } from "../events.ts";
import { withoutClusterWide } from "../folder/cluster-wide.ts";
import type { Migration } from "../folder/read.ts";
import { openBooks } from "./bookkeeping.ts";
import { withRunContext } from "./context.ts";
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
  const on = SILENT;
  await withUrl(url, (database) =>
    withLock(database, settings.ledger, settings.limits.lockWaitMs, { on, signal }, async () => {
      const { facts } = await inspect(database, settings, on);
      const local = await Promise.all(migrations.map(localOf));
      const jobs = await jobsOf(local, settings.ledger, []);
      const books = openBooks(facts, settings.ledger, on);
      await withRunContext({ database, settings, on, signal }, facts, (context) =>
        runJobs(context, jobs, books),
      );
    }),
  );
}

/** A migration without what would reach beyond its database. */
export async function localOf(migration: Migration): Promise<Migration> {
  return { ...migration, up: migration.up && (await withoutClusterWide(migration.up)) };
}
