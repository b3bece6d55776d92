import type { LedgerRow } from "../database/ledger.ts";
import { MigratorError } from "../errors.ts";
import { type DownScript, downFileName, type Migration, type MigrationFolder } from "../folder/read.ts";
import type { Plan, PlanEntry } from "../plan.ts";
import { partlyApplied } from "../plan-problems.ts";

/** A migration that can be undone: applied, unchanged, with a finished down file. */
export interface UndoStep {
  readonly tag: string;
  readonly migration: Migration;
  readonly down: DownScript;
  readonly row: LedgerRow;
}

/**
 * PURE. What a rollback undoes, last applied first (the order in the ledger, which a late merge makes differ from the
 * journal's).
 * @throws MigratorError `unknown-tag`, `not-applied`, `cannot-undo`, `wrong-usage`; then nothing has been touched
 */
export function chooseUndos(
  folder: MigrationFolder,
  plan: Plan,
  options: { readonly steps?: number | undefined; readonly to?: string | undefined },
): readonly UndoStep[] {
  const [cut] = plan.cut;
  if (cut) {
    const { message, fix } = partlyApplied(cut[0].tag, cut[1]);
    throw cannotUndo([{ what: message, fix }]);
  }
  const applied = plan.entries
    .filter((entry): entry is PlanEntry & { row: LedgerRow } => entry.row !== undefined)
    .sort((one, other) => other.row.id - one.row.id);
  const count = options.to === undefined ? (options.steps ?? 1) : stepsAfter(folder, applied, options.to);
  const steps = applied.slice(0, count);
  const refusals = steps.flatMap((entry) => refusalOf(entry));
  if (refusals.length > 0) throw cannotUndo(refusals);
  return steps.flatMap(({ tag, migration, row }) =>
    tag && migration?.down ? [{ tag, migration, down: migration.down, row }] : [],
  );
}

function stepsAfter(folder: MigrationFolder, applied: readonly PlanEntry[], tag: string): number {
  const index = applied.findIndex((entry) => entry.tag === tag);
  if (index >= 0) return index;
  const known = folder.migrations.some((migration) => migration.tag === tag);
  throw new MigratorError({
    code: known ? "not-applied" : "unknown-tag",
    message: known
      ? `${tag} is not applied, so it cannot stay applied`
      : `there is no migration ${JSON.stringify(tag)}`,
    details: [
      `applied, last first: ${applied.map((entry) => entry.tag ?? "(unknown)").join(", ") || "none"}`,
    ],
    state: "nothing was rolled back",
    fix: "give --to the tag that shall stay the last one applied",
  });
}

interface Refusal {
  readonly what: string;
  readonly fix: string;
}

/** Why an applied migration cannot be undone, if so. */
function refusalOf({ tag, state, migration, row }: PlanEntry): readonly Refusal[] {
  if (tag === null || migration === undefined) {
    return [
      { what: `the ledger's row ${row?.id} belongs to no file of this folder`, fix: "update this checkout" },
    ];
  }
  const file = downFileName(tag);
  if (state === "edited") {
    return [
      {
        what: `${tag}.sql was changed after it had been applied`,
        fix: `restore ${tag}.sql from version control`,
      },
    ];
  }
  const { down } = migration;
  if (down === undefined) {
    return [
      {
        what: `${tag} has no down file`,
        fix: `write ${file} beside ${tag}.sql, or go on by a new migration`,
      },
    ];
  }
  if (down.irreversible !== undefined) {
    return [
      { what: `${tag} cannot be undone: ${down.irreversible} (${file})`, fix: "go on by a new migration" },
    ];
  }
  for (const mark of ["unfinished", "unproved"] as const) {
    if (down[mark] === undefined) continue;
    const said = mark === "unfinished" ? "is not finished" : "does not undo its migration";
    return [{ what: `${file} ${said}: ${down[mark]}`, fix: `finish ${file} and remove its "${mark}" line` }];
  }
  return [];
}

function cannotUndo(refusals: readonly Refusal[]): MigratorError {
  const [first] = refusals;
  return new MigratorError({
    code: "cannot-undo",
    message:
      refusals.length === 1 && first ? first.what : `${refusals.length} of the migrations cannot be undone`,
    details: refusals.length === 1 ? [] : refusals.map(({ what, fix }) => `${what}; ${fix}`),
    state: "nothing was rolled back",
    fix: refusals.length === 1 ? first?.fix : "mend each as said above, or roll back fewer",
  });
}
