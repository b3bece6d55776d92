import type { LedgerRow } from "./database/ledger.ts";
import type { PartialRun } from "./database/run-log-rows.ts";
import type { Migration } from "./folder/read.ts";
import type { Problem } from "./problem.ts";

/** An applied file that has changed since. */
export function edited(tag: string, fileHash: string | null, ledgerHash: string | undefined): Problem {
  return {
    code: "edited",
    severity: "error",
    tag,
    message: `${tag}.sql was changed after it had been applied (ledger ${short(ledgerHash)}, file ${short(fileHash)})`,
    fix: `restore ${tag}.sql from version control, and put the change into a new migration; if the file is right as it is: \`migrator repair --accept ${tag} --write\``,
  };
}

/** A journal entry without its file. */
export function missingFile(tag: string): Problem {
  return {
    code: "missing-file",
    severity: "error",
    tag,
    message: `the journal names ${tag}, but ${tag}.sql is not in the folder`,
    fix: `restore ${tag}.sql from version control, or remove its entry from meta/_journal.json if it was never applied anywhere; severities: { "missing-file": "warning" } in migrator.config.js leaves it out`,
  };
}

/** Pending behind an applied one. */
export function outOfOrder(tag: string): Problem {
  return {
    code: "out-of-order",
    severity: "error",
    tag,
    message: `${tag} is pending, but a migration behind it in the journal is applied already (a late merge?)`,
    fix: "run it with --allow-out-of-order if it does not depend on the order, or generate it again on top",
  };
}

/** A ledger row whose date is not the journal's. */
export function whenMismatch(tag: string, when: number, { id, createdAt }: LedgerRow): Problem {
  return {
    code: "when-mismatch",
    severity: "warning",
    tag,
    message: `the ledger dates ${tag} ${createdAt ?? "nowhen"} (row ${id}), the journal ${when}`,
    fix: "Drizzle's own migrator goes by the ledger's last date and may skip migrations; `migrator repair` realigns the row",
  };
}

/** A ledger row that no file here has. */
export function unknownApplied(row: LedgerRow): Problem {
  return {
    code: "unknown-applied",
    severity: "warning",
    tag: null,
    message: `the ledger has a migration that no file here has (row ${row.id}, hash ${short(row.hash)})`,
    fix: "update this checkout; if another folder shares this ledger, give each its own (`ledger` in migrator.config.js)",
  };
}

/** A second ledger row for the same migration. */
export function duplicateRow(row: LedgerRow): Problem {
  return {
    code: "duplicate-ledger-row",
    severity: "warning",
    tag: null,
    message: `the ledger holds the same migration more than once (row ${row.id}, hash ${short(row.hash)})`,
    fix: "two runners without a lock did this: check that the migration's data changes were not made twice; `migrator repair` removes the row",
  };
}

/** An up file that the journal does not name. */
export function notInJournal(fileName: string): Problem {
  return {
    code: "not-in-journal",
    severity: "warning",
    tag: null,
    message: `${fileName} is in the folder, but the journal does not name it: it is never run`,
    fix: `add it to meta/_journal.json (a lost merge is the usual reason), or move ${fileName} out of the folder`,
  };
}

/** What is wrong with the journal itself, whatever a database says. */
export function journalProblems(migrations: readonly Migration[], now: number): readonly Problem[] {
  // Of each number the first: with a search for each migration, a thousand of them would take seconds.
  const firsts = new Map<string, Migration>();
  return migrations.flatMap((migration, index) => {
    const previous = migrations[index - 1];
    const problems: Problem[] = [];
    if (previous && migration.when <= previous.when) problems.push(whenNotIncreasing(migration, previous));
    if (migration.when > now) problems.push(whenInFuture(migration));
    const number = numberOf(migration.tag);
    if (number === undefined) return problems;
    const twin = firsts.get(number);
    if (twin) problems.push(duplicateNumber(migration, twin));
    else firsts.set(number, migration);
    problems.push(...snapshotProblems(migration, previous));
    return problems;
  });
}

/** The Drizzle schema has changes that no migration holds. */
export function schemaAhead(): Problem {
  return {
    code: "schema-ahead",
    severity: "warning",
    tag: null,
    message: "the Drizzle schema has changes that no migration holds",
    fix: "`migrator generate --name <name>` makes the migration",
  };
}

/** A down file that still waits for a hand. */
export function downUnfinished({ tag, down }: Migration): readonly Problem[] {
  const mark = down?.unfinished === undefined ? "unproved" : "unfinished";
  const reason = down?.[mark];
  if (down === undefined || reason === undefined) return [];
  return [
    {
      code: "down-unfinished",
      severity: "error",
      tag,
      message: `${down.fileName} is marked ${mark}: ${reason}`,
      fix: `finish it (\`migrator prove --from ${tag}\` tries it) and remove its "${mark}" line; one that cannot be undone says so: -- irreversible: <reason>`,
    },
  ];
}

/** A run that was cut, and whose file is as it was. */
export function partlyApplied(tag: string, { completed }: PartialRun): Problem {
  return {
    code: "partly-applied",
    severity: "warning",
    tag,
    message: `a run of ${tag} was cut; ${partsOf(completed)} of it`,
    fix: "`migrator migrate` goes on where it stopped",
  };
}

/** A run that was cut, and whose file has changed since: where to go on cannot be told. */
export function editedWhenCut({ tag, completed }: PartialRun): Problem {
  return {
    code: "edited",
    severity: "error",
    tag,
    message: `${tag}.sql was changed after a run of it had been cut (${partsOf(completed)})`,
    fix: `restore ${tag}.sql from version control and migrate: it goes on where it stopped; put the change into a new migration. If what stands was undone by hand: \`migrator repair --forget ${tag}\``,
  };
}

/** A run that was cut, and whose file is gone. */
export function lostWhenCut({ tag, completed }: PartialRun): Problem {
  return {
    code: "partly-applied",
    severity: "warning",
    tag: null,
    message: `a run of ${tag} was cut (${partsOf(completed)}), and no file here has its name or its text`,
    fix: `restore ${tag}.sql (renamed and edited, it would run again from its first statement), or say \`migrator repair --forget ${tag}\``,
  };
}

/** A rollback that was cut. */
export function partlyRolledBack({ tag, completed }: PartialRun): Problem {
  return {
    code: "partly-rolled-back",
    severity: "error",
    tag,
    message: `a rollback of ${tag} was cut; ${partsOf(completed)} of its down file`,
    fix: "`migrator rollback` goes on where it stopped",
  };
}

function partsOf(completed: number): string {
  return `${completed} part${completed === 1 ? " stands" : "s stand"}`;
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

function snapshotProblems(migration: Migration, previous: Migration | undefined): readonly Problem[] {
  if (migration.snapshot === undefined) return [snapshotMissing(migration)];
  const { id, prevId } = migration.snapshot;
  if (id === "") return [snapshotWithoutIds(migration)];
  const expected = previous === undefined ? FIRST_PREV_ID : previous.snapshot?.id;
  // Of one that is missing or has no ids, that has been said.
  if (!expected || prevId === expected) return [];
  return [snapshotChainBroken(migration, previous)];
}

/** What drizzle-kit writes as the id before the first. */
const FIRST_PREV_ID = "00000000-0000-0000-0000-000000000000";

function snapshotChainBroken(migration: Migration, previous: Migration | undefined): Problem {
  return {
    code: "snapshot-chain-broken",
    severity: "warning",
    tag: migration.tag,
    message: `the snapshot of ${migration.tag} does not follow ${previous ? `that of ${previous.tag}` : "the empty schema"}`,
    fix: "two branches made migrations side by side: generate the later one again on top of the other",
  };
}

function snapshotWithoutIds({ tag }: Migration): Problem {
  return {
    code: "snapshot-chain-broken",
    severity: "warning",
    tag,
    message: `the snapshot of ${tag} is not one: it is no JSON with an \`id\` and a \`prevId\` (a merge conflict left in it?)`,
    fix: "restore it from version control: without it the next `generate` fails, or compares with the wrong schema",
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

/** Undefined where the project numbers nothing (`prefix: "none"`): then all migrations share one snapshot file. */
function numberOf(tag: string): string | undefined {
  return /^\d+(?=_|$)/.exec(tag)?.[0];
}

function short(hash: string | null | undefined): string {
  return hash?.slice(0, 8) ?? "?";
}
