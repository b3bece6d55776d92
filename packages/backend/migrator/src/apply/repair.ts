import type { Settings } from "../config.ts";
import { type Database, withDatabase } from "../database/connect.ts";
import { inspect, showServer } from "../database/inspect.ts";
import { deleteRow, type LedgerRow, updateRowSql } from "../database/ledger.ts";
import { withLock } from "../database/lock.ts";
import { inlineSql } from "../database/prepared.ts";
import { forgetPartialSql } from "../database/run-log.ts";
import type { PartialRun } from "../database/run-log-rows.ts";
import { MigratorError } from "../errors.ts";
import { type Listener, SILENT } from "../events.ts";
import { indexOfTag, type MigrationFolder, readFolder } from "../folder/read.ts";
import { type Plan, planMigrations } from "../plan.ts";
import { NEVER } from "./context.ts";
import { assertMayMend, type MendNeeds } from "./preconditions.ts";
import { writeBooks } from "./write-books.ts";

export interface RepairOptions {
  /** Tags of edited files whose present text shall count as what was applied. */
  readonly accept?: readonly string[] | undefined;
  /** Tags whose cut run shall be forgotten: the next run begins the file anew. */
  readonly forget?: readonly string[] | undefined;
  /** Makes the changes; without it they are only shown. */
  readonly write?: boolean | undefined;
}

/** A change to ledger or run log. */
export interface Repair {
  readonly kind: "realign" | "accept" | "remove-duplicate" | "forget";
  readonly tag: string;
  /** In words, with the row's id. */
  readonly what: string;
  readonly sql: string;
}

export interface RepairResult {
  readonly database: string;
  readonly server: string;
  readonly repairs: readonly Omit<Repair, "sql">[];
  readonly written: boolean;
}

/**
 * Brings ledger rows back in line with the files. Shows what it would change, and changes it only with `write`.
 * @throws MigratorError; then nothing was changed (after `connection-lost` that is not known)
 */
export async function repair(
  settings: Settings,
  options: RepairOptions = {},
  on: Listener = SILENT,
  signal: AbortSignal = NEVER,
): Promise<RepairResult> {
  const folder = await readFolder(settings.migrations);
  const mend = async (database: Database) => {
    const { facts, ledger, partials } = await inspect(database, settings, on);
    const plan = planMigrations(folder, ledger, { now: Date.now() });
    const repairs = chooseRepairs(settings, folder, { plan, partials }, options);
    const written = options.write === true && repairs.length > 0;
    if (written) {
      assertMayMend(database, facts, settings.ledger, needsOf(repairs));
      const steps = repairs.map(({ sql }) => ({ sql }));
      await writeBooks({ database, settings, on, signal }, facts, steps);
    }
    const shown = repairs.map(({ kind, tag, what }) => ({ kind, tag, what }));
    return { database: facts.database, server: showServer(database, facts), repairs: shown, written };
  };
  const locked = (database: Database) =>
    withLock(database, settings.ledger, settings.limits.lockWaitMs, { on, signal }, () => mend(database));
  // Showing does not wait for a run, which may take hours.
  return withDatabase(settings.connection, options.write === true ? locked : mend, on);
}

function needsOf(repairs: readonly Repair[]): MendNeeds {
  const has = (...kinds: readonly Repair["kind"][]) => repairs.some(({ kind }) => kinds.includes(kind));
  return { update: has("realign", "accept"), remove: has("remove-duplicate"), runLog: has("forget") };
}

/** PURE. @throws MigratorError `unknown-tag`, `nothing-to-accept`, `nothing-to-forget` */
export function chooseRepairs(
  { ledger }: Pick<Settings, "ledger">,
  folder: MigrationFolder,
  found: { readonly plan: Plan; readonly partials: readonly PartialRun[] },
  options: RepairOptions,
): readonly Repair[] {
  const entries = found.plan.entries.flatMap(({ tag, migration, row, state }) =>
    tag !== null && migration && row ? [{ tag, migration, row, state }] : [],
  );
  const realigned = entries
    .filter(({ state, migration, row }) => state === "applied" && migration.when !== row.createdAt)
    .map(
      ({ tag, migration: { when }, row }): Repair => ({
        kind: "realign",
        tag,
        what: `row ${row.id}: created_at ${row.createdAt} becomes ${when}, the journal's \`when\``,
        sql: updateRowSql(ledger, row.id, row.hash, when),
      }),
    );
  const duplicates = exactDuplicates(found.plan).map(
    (row): Repair => ({
      kind: "remove-duplicate",
      tag: entries.find((entry) => entry.row.hash === row.hash)?.tag ?? "",
      what: `row ${row.id}: removed, another row says the same`,
      sql: inlineSql(deleteRow(ledger, row.id)),
    }),
  );
  const accepted = (options.accept ?? []).map((tag): Repair => {
    indexOfTag(folder, tag, "--accept");
    const entry = entries.find((candidate) => candidate.tag === tag && candidate.state === "edited");
    if (entry === undefined)
      throw nothingTo("accept", tag, "its file is as it was applied, or it is not applied");
    const hash = entry.migration.up?.hash ?? "";
    const what = `row ${entry.row.id}: hash ${entry.row.hash.slice(0, 8)} becomes ${hash.slice(0, 8)}, the file as it is now`;
    return { kind: "accept", tag, what, sql: updateRowSql(ledger, entry.row.id, hash, entry.migration.when) };
  });
  const forgotten = (options.forget ?? []).map((tag): Repair => {
    const partial = found.partials.find((candidate) => candidate.tag === tag);
    if (partial === undefined) throw nothingTo("forget", tag, "no run of it was cut");
    const what = `run ${partial.id}: the cut run is marked as failed; the next run begins ${tag} at its first statement`;
    return { kind: "forget", tag, what, sql: forgetPartialSql(ledger, partial.id) };
  });
  return [...realigned, ...duplicates, ...accepted, ...forgotten];
}

/** A row of the same hash with another `created_at` may stand for another migration of the same text: a person decides. */
function exactDuplicates({ entries, duplicates }: Plan): readonly LedgerRow[] {
  const textOf = ({ hash, createdAt }: LedgerRow) => `${hash} ${createdAt}`;
  const kept = new Set(entries.flatMap(({ row }) => (row ? [textOf(row)] : [])));
  return duplicates.filter((row) => kept.has(textOf(row)) || !kept.add(textOf(row)));
}

function nothingTo(what: "accept" | "forget", tag: string, why: string): MigratorError {
  return new MigratorError({
    code: `nothing-to-${what}`,
    message: `there is nothing to ${what} for ${tag}: ${why}`,
    state: "nothing was changed",
    fix: "`migrator status` shows the state of each",
  });
}
