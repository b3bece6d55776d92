import { access, constants, mkdir } from "node:fs/promises";
import { findTable } from "../backup/facts.ts";
import type { ServerFacts } from "../database/inspect.ts";
import { MigratorError } from "../errors.ts";
import type { MigrationFolder } from "../folder/read.ts";
import type { RunContext } from "./context.ts";
import type { Job } from "./job.ts";
import { assertStillEmptySteps, type Loss, measureLosses, type PlacedLoss, showLoss } from "./losses.ts";
import { withRetries } from "./retry.ts";
import { type Backup, createSaver } from "./save.ts";
import { onDisk } from "./save-failures.ts";
import { planPart } from "./save-part.ts";

/** What a caller says about rows that a rollback drops. */
export interface LossOptions {
  /** Goes on although tables or columns that hold rows are dropped. The rows are saved first. */
  readonly allowDataLoss?: boolean | undefined;
  /** With it, they are not. Says why not; the run log keeps that. */
  readonly noBackup?: string | undefined;
}

/** What became of the rows. */
export interface Outcome {
  readonly losses: readonly Loss[];
  readonly backups: readonly Backup[];
}

/** Jobs that lose no row unseen. */
export interface Safeguarded {
  readonly jobs: readonly Job[];
  /** To be asked once they are done. */
  outcome(): Outcome;
}

/**
 * Finds out what the down files drop, and sees to it that no row of that is lost unseen: it is refused, or saved first,
 * or goes because a person said so.
 * @throws MigratorError `data-loss`, `no-key`, `backup-failed`; then nothing was rolled back
 */
export async function safeguard(
  context: RunContext,
  jobs: readonly Job[],
  options: LossOptions,
  basis: { readonly folder: MigrationFolder; readonly facts: ServerFacts },
): Promise<Safeguarded> {
  const losses = await lossesOf(context, jobs);
  assertNothingLost(losses, options);
  if (options.allowDataLoss !== true || options.noBackup !== undefined) {
    const guarded = jobs.map((job) => guard(job, losses, options));
    return { jobs: guarded, outcome: () => ({ losses: losses.map(withoutPlace), backups: [] }) };
  }
  await withStateKept(() => assertCanBeSaved(context, losses));
  const tags = new Map(basis.folder.migrations.map(({ tag, up }) => [up?.hash ?? "", tag]));
  const savers = jobs.map((job) => {
    const { migration, hash, segments } = job;
    const own = losses.filter(({ tag }) => tag === migration.tag);
    const divided = segments.length > 1;
    return createSaver(context, { migration, hash, losses: own, divided, tags, facts: basis.facts });
  });
  return {
    jobs: jobs.map((job, index) => {
      const loses = losses.some(({ tag }) => tag === job.migration.tag);
      return loses ? { ...job, save: savers[index]?.pauseFor } : job;
    }),
    outcome: () => ({
      losses: savers.flatMap((saver) => saver.losses),
      backups: savers.flatMap((saver) => saver.backups),
    }),
  };
}

/** @throws MigratorError `wrong-usage` */
export function assertReason({ allowDataLoss, noBackup }: LossOptions): void {
  if (noBackup === undefined || (allowDataLoss === true && noBackup.trim() !== "")) return;
  throw new MigratorError({
    code: "wrong-usage",
    message:
      noBackup.trim() === ""
        ? "--no-backup needs a reason, which the run log keeps"
        : "--no-backup means nothing without --allow-data-loss",
    state: "nothing was rolled back",
    fix: 'say --allow-data-loss --no-backup "<why these rows need not be saved>", or leave --no-backup out',
  });
}

/** Runs the down files on trial. One that fails is found out here, before anything is undone. */
async function lossesOf(context: RunContext, jobs: readonly Job[]): Promise<readonly PlacedLoss[]> {
  const [first] = jobs;
  if (first === undefined) return [];
  return withStateKept(() => withRetries(context, first.migration.tag, () => measureLosses(context, jobs)));
}

async function withStateKept<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof MigratorError ? error.withState("nothing was rolled back") : error;
  }
}

function assertNothingLost(losses: readonly Loss[], { allowDataLoss = false }: LossOptions): void {
  const filled = losses.filter((loss) => loss.rows > 0);
  if (filled.length === 0 || allowDataLoss) return;
  throw new MigratorError({
    code: "data-loss",
    message: `the rollback would lose data in ${filled.length === 1 ? "one place" : `${filled.length} places`}`,
    details: filled.map((loss) => `${loss.tag} ${wordsFor(loss)}`),
    state: "nothing was rolled back",
    fix: "go on with --allow-data-loss: it saves these rows first, and `migrator restore` can put them back",
  });
}

function wordsFor(loss: Loss): string {
  const { narrowedTo } = loss;
  if (narrowedTo === undefined) return `drops ${showLoss(loss)}, which holds ${rowsIn(loss)}`;
  return `makes ${showLoss(loss)} ${narrowedTo}, which alters ${rowsIn(loss)}`;
}

function rowsIn({ rows, column }: Loss): string {
  const what = column === undefined ? "row" : "value";
  return `${rows.toLocaleString("en-US")} ${what}${rows === 1 ? "" : "s"}`;
}

/** What was empty when measured must still be. */
function guard(job: Job, losses: readonly PlacedLoss[], { noBackup }: LossOptions): Job {
  const own = losses.filter(({ tag }) => tag === job.migration.tag);
  const guards = assertStillEmptySteps(own.filter(({ rows }) => rows === 0));
  const dropsRows = own.some(({ rows }) => rows > 0);
  return { ...job, guards, note: dropsRows && noBackup ? `rows not saved: ${noBackup}` : undefined };
}

function withoutPlace({ segment: _, ...loss }: PlacedLoss): Loss {
  return loss;
}

/** What can be known before anything is undone: of several migrations, the last must not stop at this. */
async function assertCanBeSaved(
  { database, settings }: RunContext,
  losses: readonly PlacedLoss[],
): Promise<void> {
  const filled = losses.filter(({ rows }) => rows > 0);
  if (filled.length === 0) return;
  await onDisk(settings.backupFolder, async () => {
    await mkdir(settings.backupFolder, { recursive: true, mode: 0o700 });
    await access(settings.backupFolder, constants.W_OK);
  });
  for (const { tag, schema, table } of filled) {
    // One that an earlier down file renames is not found by the name it will have then.
    const facts = await findTable(database.sql, { schema, table });
    const own = filled.filter((loss) => loss.tag === tag && loss.schema === schema && loss.table === table);
    if (facts !== undefined) planPart({ schema, table }, facts, own);
  }
}
