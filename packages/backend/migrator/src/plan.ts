import type { LedgerRow } from "./database/ledger.ts";
import type { PartialRun } from "./database/run-log-rows.ts";
import type { Migration, MigrationFolder } from "./folder/read.ts";
import {
  downUnfinished,
  duplicateRow,
  edited,
  editedWhenCut,
  journalProblems,
  lostWhenCut,
  missingFile,
  notInJournal,
  outOfOrder,
  partlyApplied,
  partlyRolledBack,
  schemaAhead,
  unknownApplied,
  whenMismatch,
} from "./plan-problems.ts";
import type { Problem, ProblemCode, SeverityChoices } from "./problem.ts";

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
  /** Runs that were cut and that `migrate` takes up again. */
  readonly cut: ReadonlyMap<Migration, PartialRun>;
  /** Ledger rows that say what another row says already. */
  readonly duplicates: readonly LedgerRow[];
  readonly problems: readonly Problem[];
}

export interface PlanOptions {
  /** Runs migrations whose place is before an applied one, instead of refusing. */
  readonly allowOutOfOrder?: boolean | undefined;
  /** Runs that were cut between two segments. */
  readonly partials?: readonly PartialRun[] | undefined;
  /** Whether the Drizzle schema has changes that no migration holds, where somebody has looked. */
  readonly schemaAhead?: boolean | undefined;
  /** Whether this is CI, which takes no pending migration whose down nobody has finished. */
  readonly ci?: boolean | undefined;
  /** Severities other than the usual. */
  readonly severities?: SeverityChoices | undefined;
  /** Makes warnings errors. */
  readonly strict?: boolean | undefined;
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
  const pending = known.flatMap((entry) =>
    entry.state === "pending" && entry.migration ? [entry.migration] : [],
  );
  const cut = matchCutRuns(pending, options.partials ?? []);
  return {
    entries,
    pending,
    cut,
    duplicates: rows.duplicates,
    problems: judge(options, [
      ...known.flatMap((entry, index) => entryProblems(entry, isBehind(known, index))),
      ...unknown.map((entry) => unknownApplied(entry.row)),
      ...rows.duplicates.map(duplicateRow),
      ...folder.orphans.map(notInJournal),
      ...journalProblems(folder.migrations, options.now),
      ...(options.schemaAhead === true ? [schemaAhead()] : []),
      ...(options.ci === true ? pending.flatMap(downUnfinished) : []),
      ...[...cut].map(([migration, partial]) => partlyApplied(migration.tag, partial)),
      ...(options.partials ?? [])
        .filter((partial) => ![...cut.values()].includes(partial))
        .flatMap((partial) => partialProblems(known, ledger, partial)),
    ]),
  };
}

/** Problems with the severity that the project gives them. */
function judge(
  { severities = {}, strict = false, allowOutOfOrder = false }: PlanOptions,
  problems: readonly Problem[],
): readonly Problem[] {
  // What somebody has allowed, or what only a run can mend, does not stop the run.
  const settled = (code: ProblemCode) =>
    code === "partly-applied" || (allowOutOfOrder && code === "out-of-order");
  return problems.flatMap((problem) => {
    const severity = severities[problem.code] ?? problem.severity;
    if (severity === "off") return [];
    if (settled(problem.code)) return [{ ...problem, severity: "warning" }];
    return [{ ...problem, severity: strict ? "error" : severity }];
  });
}

/**
 * Gives each pending migration the run of it that was cut: the one of its tag and text, or, where the file was renamed
 * since, the one of its text that no other file can claim.
 */
function matchCutRuns(
  pending: readonly Migration[],
  partials: readonly PartialRun[],
): ReadonlyMap<Migration, PartialRun> {
  const of = new Map<Migration, PartialRun>();
  const free = new Set(partials.filter(({ direction }) => direction === "up"));
  const claim = (fits: (migration: Migration, partial: PartialRun) => boolean) => {
    for (const migration of pending) {
      const partial = of.has(migration)
        ? undefined
        : [...free].find(
            (candidate) => candidate.scriptHash === migration.up?.hash && fits(migration, candidate),
          );
      if (partial === undefined) continue;
      of.set(migration, partial);
      free.delete(partial);
    }
  };
  claim((migration, partial) => migration.tag === partial.tag);
  const tags = new Set(pending.map(({ tag }) => tag));
  claim((_, partial) => !tags.has(partial.tag));
  return of;
}

/** What a cut run that cannot be taken up means now. Those of finished migrations mean nothing. */
function partialProblems(
  entries: readonly PlanEntry[],
  ledger: readonly LedgerRow[],
  partial: PartialRun,
): readonly Problem[] {
  const entry = entries.find(({ tag }) => tag === partial.tag);
  if (partial.direction === "down")
    return entry === undefined || entry.state === "pending" ? [] : [partlyRolledBack(partial)];
  if (entry === undefined)
    return ledger.some(({ hash }) => hash === partial.scriptHash) ? [] : [lostWhenCut(partial)];
  return entry.state === "pending" ? [editedWhenCut(partial)] : [];
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
  claim((migration, row) => migration.up?.hash === row.hash && migration.when === row.createdAt);
  claim((migration, row) => migration.up?.hash === row.hash);
  const files = new Set(migrations.map((migration) => migration.up?.hash));
  // No file has the hash of a row with this migration's `when`: it was edited.
  claim((migration, row) => migration.when === row.createdAt && !files.has(row.hash));
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

function entryProblems(entry: PlanEntry, behind: boolean): readonly Problem[] {
  const { tag, state, hash, row, migration } = entry;
  if (tag === null) return [];
  if (state === "edited") return [edited(tag, hash, row?.hash)];
  if (state === "missing") return [missingFile(tag)];
  if (state === "pending" && behind) return [outOfOrder(tag)];
  if (state === "applied" && row && row.createdAt !== migration?.when)
    return [whenMismatch(tag, migration?.when ?? 0, row)];
  return [];
}
