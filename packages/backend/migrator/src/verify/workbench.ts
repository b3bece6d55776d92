import { type Books, openBooks } from "../apply/bookkeeping.ts";
import { withRunContext } from "../apply/context.ts";
import type { Job } from "../apply/job.ts";
import { jobsOf } from "../apply/migrate.ts";
import { localOf } from "../apply/replay.ts";
import { interrupted } from "../apply/retry.ts";
import { undoJobOf } from "../apply/rollback.ts";
import { runJobs } from "../apply/run.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { withCatalogReader } from "../catalog/read.ts";
import type { Settings } from "../config.ts";
import { withUrl } from "../database/connect.ts";
import { inspect, readLedger } from "../database/inspect.ts";
import { withLock } from "../database/lock.ts";
import type { Scratch } from "../database/scratch.ts";
import { SILENT } from "../events.ts";
import { withoutClusterWide } from "../folder/cluster-wide.ts";
import type { DownScript, Migration } from "../folder/read.ts";
import { type Fingerprint, openFingerprint } from "./fingerprint.ts";
import { type Identities, readIdentities } from "./identities.ts";

/** A scratch database on which migrations are run both ways, and looked at in between. */
export interface Workbench {
  /** Applies migrations as `migrate` does, but for what reaches beyond the database. @throws MigratorError */
  up(...migrations: readonly Migration[]): Promise<void>;
  /** Undoes the last one as `rollback` does. @throws MigratorError */
  down(migration: Migration, down: DownScript): Promise<void>;
  /** Runs statements of nobody's file, all or none. */
  execute(statements: readonly string[]): Promise<void>;
  /** The schema as it is now, read once for each state. */
  catalog(): Promise<Catalog>;
  /** Who is who in it now. */
  identities(): Promise<Identities>;
  /** Alike for two equal states, unless something in them was made anew. */
  readonly fingerprint: Fingerprint;
  /** Says what it is, where that has been read before: the migration was undone and applied again. */
  assume(catalog: Catalog): void;
}

/** Has a workbench on an empty scratch database for the length of `work`. */
export async function withWorkbench<T>(
  settings: Settings,
  scratch: Scratch,
  signal: AbortSignal,
  work: (bench: Workbench) => Promise<T>,
): Promise<T> {
  const { ledger, limits } = settings;
  return withUrl(await scratch.create(), (database) =>
    withLock(database, ledger, limits.lockWaitMs, { on: SILENT, signal }, async () => {
      const { facts } = await inspect(database, settings);
      const fingerprint = await openFingerprint(database.sql);
      return withRunContext({ database, settings, on: SILENT, signal }, facts, (context) =>
        withCatalogReader(
          database,
          (read) => {
            let books: Books = openBooks(facts, ledger, SILENT);
            let known: Promise<Catalog> | undefined;
            const run = async (jobs: readonly Job[]) => {
              if (jobs.length === 0) return;
              known = undefined;
              await runJobs(context, jobs, books);
              books = { ...books, setUp: [] };
            };
            return work({
              fingerprint,
              async up(...migrations) {
                const rows = migrations.length > 1 ? await readLedger(database.sql, settings) : [];
                await run(await jobsOf(await Promise.all(migrations.map(localOf)), ledger, rows));
              },
              async down(migration, down) {
                const local = { ...down, ...(await withoutClusterWide(down)) };
                // The up may have left another role in the session.
                await database.sql.unsafe("reset session authorization; reset role");
                const row = (await readLedger(database.sql, settings)).at(-1);
                if (row === undefined) throw new Error(`${migration.tag} is not applied`);
                await run([await undoJobOf({ tag: migration.tag, migration, down: local, row }, ledger, [])]);
              },
              async execute(statements) {
                known = undefined;
                await database.sql.unsafe(
                  ["reset session authorization", "reset all", ...statements].join(";\n"),
                );
              },
              assume(catalog) {
                known = Promise.resolve(catalog);
              },
              catalog() {
                if (signal.aborted) throw interrupted(signal.reason);
                known ??= read();
                return known;
              },
              identities: () => readIdentities(database.sql, ledger),
            });
          },
          { ledger },
        ),
      );
    }),
  );
}
