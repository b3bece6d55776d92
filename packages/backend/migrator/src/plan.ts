import type { LedgerRow } from "./database/ledger.ts";
import type { Migration, MigrationFolder } from "./folder/read.ts";

/** `edited`: applied, and the file has changed since. `missing`: in the journal without a file. `unknown`: in the ledger alone. */
export type MigrationState = "applied" | "pending" | "edited" | "missing" | "unknown";

export type ProblemCode =
  | "edited"
  | "missing-file"
  | "out-of-order"
  | "unknown-applied"
  | "duplicate-ledger-row"
  | "not-in-journal"
  | "duplicate-number"
  | "when-not-increasing"
  | "when-in-future"
  | "snapshot-missing";

/** Something about folder and ledger that does not fit. Errors stop a run before anything is written. */
export interface Problem {
  readonly code: ProblemCode;
  readonly severity: "error" | "warning";
  /** Migration it is about; null where no journal entry is concerned. */
  readonly tag: string | null;
  readonly message: string;
  readonly fix: string;
}

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

/** The problems that stop a run. */
export function errorsOf(problems: readonly Problem[]): readonly Problem[] {
  return problems.filter((problem) => problem.severity === "error");
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
  const { tag, state } = entry;
  if (state === "edited") return [edited(entry)];
  if (state === "missing") return [missingFile(tag)];
  if (state === "pending" && behind) return [outOfOrder(tag, options.allowOutOfOrder ?? false)];
  return [];
}

function edited({ tag, hash, row }: PlanEntry): Problem {
  return {
    code: "edited",
    severity: "error",
    tag,
    message: `${tag}.sql was changed after it had been applied (ledger ${short(row?.hash)}, file ${short(hash)})`,
    fix: `restore ${tag}.sql from version control, and put the change into a new migration`,
  };
}

function missingFile(tag: string | null): Problem {
  return {
    code: "missing-file",
    severity: "error",
    tag,
    message: `the journal names ${tag}, but ${tag}.sql is not in the folder`,
    fix: `restore ${tag}.sql from version control, or remove its entry from meta/_journal.json if it was never applied anywhere`,
  };
}

function outOfOrder(tag: string | null, allowed: boolean): Problem {
  return {
    code: "out-of-order",
    severity: allowed ? "warning" : "error",
    tag,
    message: `${tag} is pending, but a migration behind it in the journal is applied already (a late merge?)`,
    fix: "run it with --allow-out-of-order if it does not depend on the order, or generate it again on top",
  };
}

function unknownApplied(row: LedgerRow): Problem {
  return {
    code: "unknown-applied",
    severity: "warning",
    tag: null,
    message: `the ledger has a migration that no file here has (row ${row.id}, hash ${short(row.hash)})`,
    fix: "update this checkout; if another folder shares this ledger, give each its own (`ledger` in migrator.config.js)",
  };
}

function duplicateRow(row: LedgerRow): Problem {
  return {
    code: "duplicate-ledger-row",
    severity: "warning",
    tag: null,
    message: `the ledger holds the same migration more than once (row ${row.id}, hash ${short(row.hash)})`,
    fix: "two runners without a lock did this: check that the migration's data changes were not made twice",
  };
}

function notInJournal(fileName: string): Problem {
  return {
    code: "not-in-journal",
    severity: "warning",
    tag: null,
    message: `${fileName} is in the folder, but the journal does not name it: it is never run`,
    fix: `add it to meta/_journal.json (a lost merge is the usual reason), or move ${fileName} out of the folder`,
  };
}

function journalProblems(migrations: readonly Migration[], now: number): readonly Problem[] {
  return migrations.flatMap((migration, index) => {
    const before = migrations.slice(0, index);
    const problems: Problem[] = [];
    const previous = before.at(-1);
    if (previous && migration.when <= previous.when) problems.push(whenNotIncreasing(migration, previous));
    if (migration.when > now) problems.push(whenInFuture(migration));
    const twin = before.find((other) => numberOf(other.tag) === numberOf(migration.tag));
    if (twin) problems.push(duplicateNumber(migration, twin));
    if (!migration.hasSnapshot) problems.push(snapshotMissing(migration));
    return problems;
  });
}

function whenNotIncreasing(migration: Migration, previous: Migration): Problem {
  return {
    code: "when-not-increasing",
    severity: "warning",
    tag: migration.tag,
    message: `${migration.tag} has a \`when\` (${migration.when}) that is not after that of ${previous.tag} (${previous.when})`,
    fix: "Drizzle's own migrator would skip it for ever; if it is applied nowhere yet, raise its `when` in meta/_journal.json",
  };
}

function whenInFuture(migration: Migration): Problem {
  return {
    code: "when-in-future",
    severity: "warning",
    tag: migration.tag,
    message: `${migration.tag} has a \`when\` in the future (${new Date(migration.when).toISOString()})`,
    fix: "Drizzle's own migrator would skip every migration made before that day; if it is applied nowhere yet, lower it",
  };
}

function duplicateNumber(migration: Migration, twin: Migration): Problem {
  return {
    code: "duplicate-number",
    severity: "warning",
    tag: migration.tag,
    message: `${migration.tag} has the same number as ${twin.tag}`,
    fix: "two branches made it: generate the later one again on top of the other, so that snapshots follow each other",
  };
}

function snapshotMissing(migration: Migration): Problem {
  return {
    code: "snapshot-missing",
    severity: "warning",
    tag: migration.tag,
    message: `${migration.tag} has no snapshot in meta/`,
    fix: "restore it from version control: without it the next `generate` compares with an older schema",
  };
}

function numberOf(tag: string): string {
  return tag.split("_")[0] ?? tag;
}

function short(hash: string | null | undefined): string {
  return hash?.slice(0, 8) ?? "?";
}
