import { resolve } from "node:path";
import { assertWhole } from "../backup/check.ts";
import { type Manifest, readManifest } from "../backup/manifest.ts";
import type { Settings } from "../config.ts";
import { type Database, withDatabase } from "../database/connect.ts";
import { type Inspection, inspect, type ServerFacts, showServer } from "../database/inspect.ts";
import { withLock } from "../database/lock.ts";
import { MigratorError } from "../errors.ts";
import { type Listener, SILENT } from "../events.ts";
import { type MigrationFolder, readFolder } from "../folder/read.ts";
import { NEVER, type RunContext, withRunContext } from "./context.ts";
import { assertWritable } from "./preconditions.ts";
import { putBack } from "./put-back.ts";
import type { PutOptions, Restored } from "./put-back-part.ts";
import { withRetries } from "./retry.ts";

export interface RestoreOptions extends PutOptions {
  /** This database's name, where the backup is of another one. */
  readonly confirm?: string | undefined;
}

export interface RestoreResult {
  readonly database: string;
  readonly server: string;
  /** Absolute path of the backup. */
  readonly folder: string;
  readonly tag: string;
  /** ISO 8601, UTC. */
  readonly savedAt: string;
  readonly restored: readonly Restored[];
}

/**
 * Puts back the rows that a rollback saved, once its migration is applied again: all of them, or none.
 * @param folder of the backup
 * @throws MigratorError `backup-unreadable`, `backup-damaged`, `other-database`, `not-applied`, `does-not-fit`, `rows-in-the-way`, `rows-missing`
 */
export async function restore(
  settings: Settings,
  folder: string,
  options: RestoreOptions = {},
  on: Listener = SILENT,
  signal: AbortSignal = NEVER,
): Promise<RestoreResult> {
  const path = resolve(folder);
  const manifest = await readManifest(path);
  await assertWhole(path, manifest);
  const migrations = await readFolder(settings.migrations);
  const work = async (database: Database) => {
    const { facts } = await inspect(database, settings, on);
    assertDatabase(manifest, facts, options);
    assertWritable(database, facts, settings.ledger);
    return withLock(database, settings.ledger, settings.limits.lockWaitMs, { on, signal }, async () => {
      const now = await inspect(database, settings, on);
      assertApplied(manifest, now, migrations);
      const run = (context: RunContext) =>
        withRetries(context, manifest.tag, () => putBack(context, path, manifest, options));
      const restored = await withRunContext({ database, settings, on, signal }, now.facts, run);
      const { tag, savedAt } = manifest;
      const server = showServer(database, now.facts);
      return { database: now.facts.database, server, folder: path, tag, savedAt, restored };
    });
  };
  return withDatabase(settings.connection, work, on).catch((error: unknown) => {
    throw error instanceof MigratorError ? error.withState(stateAfter(error)) : error;
  });
}

function stateAfter({ code }: MigratorError): string {
  return code === "connection-lost"
    ? "whether the rows were put back is not known: all of them were, or none; run again, and it tells"
    : "nothing was put back";
}

function assertDatabase(
  { database, savedAt }: Manifest,
  facts: ServerFacts,
  { confirm }: RestoreOptions,
): void {
  if (database === facts.database || confirm === facts.database) return;
  throw new MigratorError({
    code: "other-database",
    message: `the backup of ${savedAt} is of database ${JSON.stringify(database)}, and this one is ${JSON.stringify(facts.database)}`,
    state: "nothing was put back",
    fix: `if the rows shall go there: --confirm ${facts.database}`,
  });
}

/** The hash tells; where the file was changed between the rollback and now, its tag does. */
function assertApplied({ tag, hash }: Manifest, { ledger }: Inspection, folder: MigrationFolder): void {
  const hashes = new Set(ledger.map((row) => row.hash));
  const migration = folder.migrations.find((one) => one.tag === tag);
  if (hashes.has(hash) || hashes.has(migration?.up?.hash ?? "")) return;
  throw new MigratorError({
    code: "not-applied",
    message: `${tag}, whose rollback saved these rows, is not applied${migration ? "" : ", and this folder has no such migration"}`,
    state: "nothing was put back",
    fix: "apply it first: migrator migrate",
  });
}
