import type { LedgerRow } from "./database/ledger.ts";
import type { Migration, MigrationFolder } from "./folder/read.ts";
import {
  duplicateRow,
  edited,
  journalProblems,
  missingFile,
  notInJournal,
  outOfOrder,
  unknownApplied,
} from "./plan-problems.ts";
import type { Problem } from "./problem.ts";

/** `edited`: applied, and the file has changed since. `missing`: in the journal without a file. `unknown`: in the ledger alone. */
export type MigrationState = "applied" | "pending" | "edited" | "missing" | "unknown";

/** A migration with its place in the ledger. */
export interface PlanEntry {
  /** Null for a ledger row that no file has. */
  readonly tag: string | null;
  /** The file's hash, or the ledger's where there is no file; null where neither is there. */
  readonly hash: string | null;
  readonly state: MigrationState;
  readonly migration: Migration | undefined;
  readonly row: LedgerRow | undefined;
}

/** What a database has, what it lacks, and what is wrong: the value that status, migrate and rollback share. */
export interface Plan {
  /** In journal order, ledger rows without a file at the end. */
  readonly entries: readonly PlanEntry[];
  /** What `migrate` runs, in this order. */
  readonly pending: readonly Migration[];
  readonly problems: readonly Problem[];
}

export interface PlanOptions {
  /** Runs migrations whose place is before an applied one, instead of refusing. */
  readonly allowOutOfOrder?: boolean | undefined;
  /** The clock, in ms since 1970. */
  readonly now: number;
}

/** Compares a folder with a ledger. "Applied" means that the file's hash is in the ledger, never that its date is past. */
export function planMigrations(
  folder: MigrationFolder,
  ledger: readonly LedgerRow[],
  options: PlanOptions,
): Plan {
  const rows = matchRows(folder.migrations, ledger);
  const known = folder.migrations.map((migration) => entryOf(migration, rows.of.get(migration)));
  const unknown = rows.unknown.map(
    (row) => ({ tag: null, hash: row.hash, state: "unknown", migration: undefined, row }) as const,
  );
  const entries = [...known, ...unknown];
  return {
    entries,
    pending: known.flatMap((entry) =>
      entry.state === "pending" && entry.migration ? [entry.migration] : [],
    ),
    problems: [
      ...known.flatMap((entry, index) => entryProblems(entry, isBehind(known, index), options)),
      ...unknown.map((entry) => unknownApplied(entry.row)),
      ...rows.duplicates.map(duplicateRow),
      ...folder.orphans.map(notInJournal),
      ...journalProblems(folder.migrations, options.now),
    ],
  };
}

interface MatchedRows {
  readonly of: ReadonlyMap<Migration, LedgerRow>;
  readonly unknown: readonly LedgerRow[];
  /** Rows whose hash another row stands for already. */
  readonly duplicates: readonly LedgerRow[];
}

/** Gives each migration its ledger row: by hash first (of equal files the one with the same `when`), then by `when` alone. */
function matchRows(migrations: readonly Migration[], ledger: readonly LedgerRow[]): MatchedRows {
  const of = new Map<Migration, LedgerRow>();
  const free = new Set(ledger);
  const claim = (fits: (migration: Migration, row: LedgerRow) => boolean) => {
    for (const migration of migrations) {
      const row = of.has(migration) ? undefined : [...free].find((candidate) => fits(migration, candidate));
      if (row === undefined) continue;
      of.set(migration, row);
      free.delete(row);
    }
  };
  const hashes = new Set(ledger.map((row) => row.hash));
  claim((migration, row) => migration.up?.hash === row.hash && migration.when === row.createdAt);
  claim((migration, row) => migration.up?.hash === row.hash);
  const files = new Set(migrations.map((migration) => migration.up?.hash));
  // A file whose own hash is nowhere in the ledger, beside a row of the same `when` that no file has: it was edited.
  claim(
    (migration, row) =>
      migration.when === row.createdAt && !files.has(row.hash) && !hashes.has(migration.up?.hash ?? ""),
  );
  const taken = new Set([...of.values()].map((row) => row.hash));
  const left = [...free];
  return {
    of,
    unknown: left.filter((row) => !taken.has(row.hash)),
    duplicates: left.filter((row) => taken.has(row.hash)),
  };
}

function entryOf(migration: Migration, row: LedgerRow | undefined): PlanEntry {
  const hash = migration.up?.hash ?? row?.hash ?? null;
  return { tag: migration.tag, hash, state: stateOf(migration, row), migration, row };
}

function stateOf(migration: Migration, row: LedgerRow | undefined): MigrationState {
  if (migration.up === undefined) return "missing";
  if (row === undefined) return "pending";
  return row.hash === migration.up.hash ? "applied" : "edited";
}

/** Whether a later entry is applied already. */
function isBehind(entries: readonly PlanEntry[], index: number): boolean {
  return entries.slice(index + 1).some((entry) => entry.row !== undefined);
}

function entryProblems(entry: PlanEntry, behind: boolean, options: PlanOptions): readonly Problem[] {
  const { tag, state, hash, row } = entry;
  if (tag === null) return [];
  if (state === "edited") return [edited(tag, hash, row?.hash)];
  if (state === "missing") return [missingFile(tag)];
  if (state === "pending" && behind) return [outOfOrder(tag, options.allowOutOfOrder ?? false)];
  return [];
}
