import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Settings } from "../config.ts";
import { type Database, withDatabase } from "../database/connect.ts";
import { inspect, showServer } from "../database/inspect.ts";
import type { LedgerRow } from "../database/ledger.ts";
import { type Listener, SILENT } from "../events.ts";
import { type Migration, type MigrationFolder, readFolder } from "../folder/read.ts";
import { planMigrations } from "../plan.ts";

/** Something that would hurt on the day a project goes to Drizzle v1. */
export interface V1Finding {
  readonly code: string;
  readonly tag: string | null;
  readonly message: string;
  readonly fix: string;
}

export interface V1Result {
  readonly database: string;
  readonly server: string;
  readonly findings: readonly V1Finding[];
}

/** What would hurt on the day of Drizzle v1, in the folder and in this database's ledger. */
export async function v1Check(settings: Settings, on: Listener = SILENT): Promise<V1Result> {
  const folder = await readFolder(settings.migrations);
  const snapshots = await readdir(join(settings.migrations, "meta")).catch(() => []);
  const work = async (database: Database) => {
    const { facts, ledger } = await inspect(database, settings, on);
    const findings = findV1Findings(folder, snapshots, ledger, Date.now());
    return { database: facts.database, server: showServer(database, facts), findings };
  };
  return withDatabase(settings.connection, work, on);
}

/** PURE. */
export function findV1Findings(
  folder: MigrationFolder,
  metaFiles: readonly string[],
  ledger: readonly LedgerRow[],
  now: number,
): readonly V1Finding[] {
  const general = planMigrations(folder, ledger, { now }).problems.filter(({ code }) => HURTS_V1.has(code));
  return [
    ...general.map(({ code, tag, message, fix }) => ({ code, tag, message, fix })),
    ...sameSecond(folder.migrations),
    ...roots(folder.migrations),
    ...orphanSnapshots(folder.migrations, metaFiles),
  ];
}

/** Problems that v1 stumbles over: it sorts by time, wants a snapshot for each, and refuses rows that match no file. */
const HURTS_V1 = new Set([
  "edited",
  "missing-file",
  "unknown-applied",
  "duplicate-ledger-row",
  "when-mismatch",
  "not-in-journal",
  "duplicate-number",
  "when-not-increasing",
  "snapshot-missing",
  "snapshot-chain-broken",
]);

/** v1 keeps whole seconds: two migrations of one second have no order. */
function sameSecond(migrations: readonly Migration[]): readonly V1Finding[] {
  return migrations.flatMap((migration, index) => {
    const twin = migrations.slice(0, index).find((other) => secondOf(other) === secondOf(migration));
    if (twin === undefined) return [];
    return [
      {
        code: "same-second",
        tag: migration.tag,
        message: `${migration.tag} has a \`when\` in the same second as ${twin.tag}, and v1 keeps whole seconds`,
        fix: "if it is applied nowhere yet, raise its `when` in meta/_journal.json by a second; else `migrator repair` realigns the ledgers after you have",
      },
    ];
  });
}

function secondOf({ when }: Migration): number {
  return Math.floor(when / 1000);
}

function roots(migrations: readonly Migration[]): readonly V1Finding[] {
  const found = migrations.filter(
    ({ snapshot }) => snapshot !== undefined && /^[0-]+$/.test(snapshot.prevId),
  );
  return found.slice(1).map(({ tag }) => ({
    code: "two-roots",
    tag,
    message: `the snapshot of ${tag} begins a second chain, beside that of ${found[0]?.tag}`,
    fix: "set its `prevId` to the `id` of the snapshot before it",
  }));
}

function orphanSnapshots(
  migrations: readonly Migration[],
  metaFiles: readonly string[],
): readonly V1Finding[] {
  const known = new Set(migrations.map(({ tag }) => `${tag.split("_")[0]}_snapshot.json`));
  return metaFiles
    .filter((name) => name.endsWith("_snapshot.json") && !known.has(name))
    .map((name) => ({
      code: "orphan-snapshot",
      tag: null,
      message: `meta/${name} belongs to no migration of the journal`,
      fix: "remove it, or restore the journal entry that it belongs to",
    }));
}
