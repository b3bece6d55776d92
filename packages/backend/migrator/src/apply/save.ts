import { COPY_SETTINGS, findTable, type TableName, tableSql } from "../backup/facts.ts";
import { createDraft, type Draft } from "../backup/files.ts";
import { MANIFEST_FILE, type SavedPart, showManifest } from "../backup/manifest.ts";
import { readLedger, type ServerFacts } from "../database/inspect.ts";
import { MigratorError } from "../errors.ts";
import type { Migration } from "../folder/read.ts";
import { VERSION } from "../version.ts";
import type { RunContext } from "./context.ts";
import type { Pause } from "./execute.ts";
import { type Loss, type PlacedLoss, showLoss } from "./losses.ts";
import { interrupted } from "./retry.ts";
import { onDisk, onServer } from "./save-failures.ts";
import { countLosses, planPart, savePart } from "./save-part.ts";

/** A finished backup. */
export interface Backup {
  readonly tag: string;
  /** Absolute path. */
  readonly folder: string;
  readonly rows: number;
  /** Of all files, compressed. */
  readonly bytes: number;
  readonly tables: readonly Pick<SavedPart, "schema" | "table" | "kind" | "columns" | "rows">[];
}

/** Saves what one migration's rollback drops. */
export interface Saver {
  /** For one attempt at a segment of its down file. @param after steps that come before it */
  pauseFor(segment: number, after: number): Pause | undefined;
  /** Of segments that are committed. */
  readonly backups: readonly Backup[];
  /** The losses, with the rows that there were when they were saved. */
  readonly losses: readonly Loss[];
}

/** What is rolled back, and where. */
export interface Saving {
  readonly migration: Migration;
  readonly hash: string;
  readonly losses: readonly PlacedLoss[];
  /** Whether the down file has several segments, so that there may be several backups. */
  readonly divided: boolean;
  /** The folder's tags by the hash of their files. */
  readonly tags: ReadonlyMap<string, string>;
  readonly facts: ServerFacts;
}

export function createSaver(context: RunContext, saving: Saving): Saver {
  const { on } = context;
  const { tag } = saving.migration;
  const backups: Backup[] = [];
  let losses = saving.losses;
  return {
    backups,
    get losses() {
      return losses.map(({ segment: _, ...loss }) => loss);
    },
    pauseFor(segment, after) {
      const own = saving.losses.filter((loss) => loss.segment === segment);
      if (own.length === 0) return undefined;
      let draft: Draft | undefined;
      let saved: Saved | undefined;
      return {
        after,
        async work() {
          on({ type: "saving", tag, what: own.map(showLoss).join(", ") });
          saved = await save(context, saving, own, (made) => {
            draft = made;
          });
          // The cancellation that Ctrl-C brings does not reach a session that waits for a disk.
          if (context.signal.aborted) throw interrupted(context.signal.reason);
        },
        async onFailed(error) {
          const isLost = error instanceof MigratorError && error.code === "connection-lost";
          // After a loss of the connection the rows may be gone from the database.
          if (isLost && saved?.backup) on({ type: "warning", message: mayBeNeeded(saved.backup) });
          else await draft?.remove().catch(() => undefined);
        },
        onDone() {
          losses = losses.map((loss) => saved?.losses.get(loss) ?? loss);
          if (saved?.backup === undefined) return;
          const { folder, rows, bytes } = saved.backup;
          backups.push(saved.backup);
          on({ type: "saved", tag, folder, rows, bytes });
        },
      };
    },
  };
}

function mayBeNeeded({ tag, folder }: Backup): string {
  return `the rows of ${tag} are saved in ${folder}: keep that until you know whether it was rolled back`;
}

interface Saved {
  /** Undefined where there was no row. */
  readonly backup: Backup | undefined;
  /** Each with the rows that were there. */
  readonly losses: ReadonlyMap<PlacedLoss, PlacedLoss>;
}

/** Inside the rollback's transaction. Leaves the tables locked, and the session's settings as they were. */
async function save(
  context: RunContext,
  saving: Saving,
  losses: readonly PlacedLoss[],
  onDraft: (draft: Draft) => void,
): Promise<Saved> {
  const { database, settings } = context;
  const send = (sql: string) => onServer(context, "preparing to save rows", () => database.sql.unsafe(sql));
  const tables = tablesOf(losses);
  // Before the savepoint: going back to it gives back what was locked since.
  await send(`lock table ${tables.map(tableSql).join(", ")} in access exclusive mode`);
  await send(`savepoint saving; ${COPY_SETTINGS}`);
  const parts: SavedPart[] = [];
  const counted = new Map<PlacedLoss, PlacedLoss>();
  let draft: Draft | undefined;
  for (const table of tables) {
    const own = losses.filter((loss) => isOf(table, loss));
    const facts = await onServer(context, "preparing to save rows", () => findTable(database.sql, table));
    if (facts === undefined) throw new Error(`${tableSql(table)} is locked, but not there`);
    const rows = await countLosses(context, facts, own);
    // Of a column that is narrowed all values are saved; how many are altered was measured.
    for (const [loss, number] of rows)
      counted.set(loss, loss.narrowedTo === undefined ? { ...loss, rows: number } : loss);
    const filled = own.filter((loss) => (rows.get(loss) ?? 0) > 0);
    const plan = planPart(table, facts, filled);
    if (plan === undefined) continue;
    if (draft === undefined) {
      const name = nameOf(saving, losses);
      draft = await onDisk(settings.backupFolder, () => createDraft(settings.backupFolder, name));
      onDraft(draft);
    }
    parts.push(await savePart(context, saving.facts.pid, plan, draft.path, parts.length + 1));
  }
  const backup = draft && (await publish(context, saving, parts, draft));
  await send("rollback to savepoint saving; release savepoint saving");
  return { backup, losses: counted };
}

/** Sorted, so that two runners that save the same tables lock them in the same order. */
function tablesOf(losses: readonly PlacedLoss[]): readonly TableName[] {
  const names = new Map(
    losses.map(({ schema, table }) => [tableSql({ schema, table }), { schema, table }] as const),
  );
  return [...names].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, name]) => name);
}

function isOf({ schema, table }: TableName, loss: PlacedLoss): boolean {
  return loss.schema === schema && loss.table === table;
}

/** `2026-11-21T06-15-09Z_collectors_0007_wishlist_items` */
function nameOf({ migration, divided, facts }: Saving, [first]: readonly PlacedLoss[]): string {
  const time = `${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}Z`;
  const part = divided && first ? [`part-${first.segment + 1}`] : [];
  return [time, facts.database, migration.tag, ...part].map(fileSafe).join("_").slice(0, LONGEST_NAME);
}

/** In characters; file systems take 255 bytes, and something is put before and behind. */
const LONGEST_NAME = 200;

function fileSafe(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9.-]+/g, "_");
}

async function publish(
  context: RunContext,
  { migration: { tag }, hash, tags, facts }: Saving,
  parts: readonly SavedPart[],
  draft: Draft,
): Promise<Backup> {
  const { database, settings } = context;
  const ledger = await onServer(context, "reading the ledger", () => readLedger(database.sql, settings));
  const manifest = {
    database: facts.database,
    server: facts.version,
    migrator: VERSION,
    savedAt: new Date().toISOString(),
    ...{ tag, hash },
    applied: ledger.map((row) => ({ tag: tags.get(row.hash) ?? null, hash: row.hash })),
    tables: [...parts],
  };
  const folder = await onDisk(settings.backupFolder, () =>
    draft.publish(MANIFEST_FILE, showManifest(manifest)),
  );
  const sum = (key: "rows" | "bytes") => parts.reduce((total, part) => total + part[key], 0);
  const tables = parts.map(({ schema, table, kind, columns, rows }) => ({
    ...{ schema, table, kind, columns, rows },
  }));
  return { tag, folder, rows: sum("rows"), bytes: sum("bytes"), tables };
}
