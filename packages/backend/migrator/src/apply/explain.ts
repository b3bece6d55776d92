import { setTimeout as sleep } from "node:timers/promises";
import type { LedgerName, Settings } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { codeOf } from "../database/failures.ts";
import { readLedger } from "../database/inspect.ts";
import { lockKey, tryLock } from "../database/lock.ts";
import { showTable } from "../database/reading.ts";
import type { Session } from "../database/session.ts";
import { identifier } from "../database/sql-text.ts";
import { EXIT, MigratorError, messageOf } from "../errors.ts";
import type { RunContext } from "./context.ts";
import type { Job } from "./job.ts";
import { GOT_ROWS } from "./losses.ts";

/** SQLSTATEs of "there is already one of this name": schema, table or index, column, function, type or constraint. */
const ALREADY_THERE = new Set(["42P06", "42P07", "42701", "42723", "42710"]);

/** The jobs of a run that failed. */
export interface Progress {
  /** Done before the one that failed. */
  readonly done: readonly Job[];
  /** The one that failed and those that had been sent behind it. */
  readonly underWay: readonly [Job, ...(readonly Job[])];
}

/** Completes a failure with what stands in the database now and what to do. */
export async function explainFailure(
  error: unknown,
  context: RunContext,
  progress: Progress,
): Promise<unknown> {
  if (!(error instanceof MigratorError)) return error;
  const { code, message, details, exitCode, cause } = error;
  const better = await betterOf(error, context);
  const isOpen = error.code === "connection-lost" && error.state === undefined;
  const state = isOpen
    ? await fateAfterLoss(context, progress)
    : `${showDone(progress)}; ${error.state ?? fateOf(progress)}`;
  return new MigratorError({
    code,
    message,
    details,
    exitCode,
    cause,
    fix: error.fix ?? MEND,
    ...better,
    state,
  });
}

/** The same for a change of ledger and run log alone, which is made as a whole or not at all. */
export async function explainWrite(error: unknown, context: RunContext): Promise<unknown> {
  if (!(error instanceof MigratorError)) return error;
  const { code, message, details, exitCode, cause } = error;
  const ledger = showTable(context.settings.ledger);
  return new MigratorError({
    code,
    message: code === "statement-failed" ? `the ledger ${ledger} could not be changed` : message,
    details,
    exitCode,
    cause,
    fix: error.fix ?? "mend what PostgreSQL says, then run again",
    ...(await betterOf(error, context)),
    state: code === "connection-lost" ? `whether ${ledger} was changed is not known` : "nothing was changed",
  });
}

function showDone({ done, underWay }: Progress): string {
  const verb = isUp(underWay[0]) ? "applied" : "rolled back";
  return done.length === 0 ? `nothing was ${verb}` : `${wereOf(done)} ${verb}`;
}

function fateOf({ underWay: [job] }: Progress): string {
  return `${job.migration.tag} was ${isUp(job) ? "undone whole and is still pending" : "left applied, whole"}`;
}

function isUp({ direction }: Job): boolean {
  return direction === "up";
}

const MEND = "mend the file, then run again: it starts with this migration";

/** The same failure in the words of its cause, where that is known. */
async function betterOf(error: MigratorError, { database, settings }: RunContext) {
  const sqlState = codeOf(error.cause) ?? "";
  // That a file has given it up is said already.
  if (error.code === "lock-lost" && error.details.length > 0)
    return { details: [...error.details, GIVEN_UP] };
  if (sqlState === GOT_ROWS) return gotRows(error);
  if (sqlState === "42501") return permissionDenied(error, database);
  if (ALREADY_THERE.has(sqlState)) return { fix: alreadyThere(settings) };
  if (sqlState === "25006") return { code: "read-only", fix: READ_ONLY };
  if (sqlState === "25001") return { fix: NOT_IN_TRANSACTION };
  if (sqlState === "57014" && messageOf(error.cause).includes("statement timeout"))
    return { fix: "give it longer (--statement-timeout), or do it in smaller steps, then run again" };
  if (sqlState === "57014") return { fix: CANCELLED };
  if (sqlState === "2D000") return { fix: MAY_NOT_COMMIT };
  return {};
}

/** The server has been asked before the run. */
const READ_ONLY =
  "take out of the file what makes its transaction read-only (SET transaction_read_only), or connect to a server that may write";

const NOT_IN_TRANSACTION =
  "PostgreSQL does not run this inside a transaction, or not after other statements of it, and here it is inside the migration's: write it in a form that may (an index without CONCURRENTLY, say), or take it out of the file and run it by hand";

const CANCELLED = "somebody has cancelled it (pg_cancel_backend): run again";

const MAY_NOT_COMMIT =
  "a migration is one transaction, in which nothing may commit: end it before this statement and begin another behind it, with COMMIT; and BEGIN; as statements of the file, then run again";

const GIVEN_UP =
  "or a migration before this one gave it up with pg_advisory_unlock_all(): take that out of its file";

function alreadyThere(settings: Settings): string {
  const runbook = settings.runbookFile === undefined ? "" : ` (see "Clean state" in ${settings.runbookFile})`;
  return `the database holds an object of this name that no applied migration made. Local database: \`migrator reset\`, then migrate again. Any other: compare it with the file, then rename or drop it by hand${runbook}`;
}

/** Rows written between measuring and dropping are as dear as those before. */
function gotRows(error: MigratorError) {
  return {
    code: "data-loss",
    message: messageOf(error.cause),
    details: [],
    exitCode: EXIT.refused,
    fix: "stop what writes to it and run again, or go on with --allow-data-loss",
  };
}

async function permissionDenied(error: MigratorError, database: Database) {
  const schema = /for schema (\S+)$/.exec(messageOf(error.cause))?.[1]?.replaceAll('"', "");
  const [row] = await database.sql
    .unsafe<{ role: string }[]>('select current_user as "role"')
    .catch(() => []);
  const role = row?.role ?? database.address.user;
  if (schema === undefined) {
    return {
      code: "permission-denied",
      fix: `role ${JSON.stringify(role)} lacks what PostgreSQL names above: grant it, or migrate as the object's owner`,
    };
  }
  return {
    code: "permission-denied",
    details: [
      `role ${JSON.stringify(role)} has no CREATE privilege on schema ${JSON.stringify(schema)}`,
      ...error.details,
    ],
    fix: `as the schema's owner: GRANT USAGE, CREATE ON SCHEMA ${identifier(schema)} TO ${identifier(role)};`,
  };
}

/** How long a session whose connection broke is waited for, in ms. */
const LOST_SESSION_MS = 5_000;

/**
 * The server may not have noticed the loss, and go on to the commit. The lock tells: once it can be had, the session that
 * held it is gone, and the ledger says what became of its work. A server that crashed may have lost the last commits, too:
 * not each was waited for until it was on the disk.
 */
async function fateAfterLoss({ database, settings }: RunContext, progress: Progress): Promise<string> {
  const { done, underWay } = progress;
  const up = isUp(underWay[0]);
  const unknown = `whether ${wereOf(underWay)} ${up ? "applied" : "rolled back"} is not known`;
  const side = database.openSide();
  try {
    if (!(await canHaveLock(side, settings.ledger)))
      return `${showDone(progress)}; ${unknown}: its session may still be at work`;
    const rows = await readLedger(side, settings);
    const stands = (job: Job) => job.done.isTrue(rows);
    const lost = done.filter((job) => !stands(job));
    const committed = underWay.filter(stands);
    const next = underWay[committed.length];
    return [
      showDone({ ...progress, done: done.filter(stands) }),
      ...(lost.length > 0 ? [`the server's crash undid ${tagsOf(lost)}, whole`] : []),
      ...(committed.length > 0
        ? [`${wereOf(committed)} ${up ? "committed" : "rolled back"} before that`]
        : []),
      ...(next ? [`${next.migration.tag} was ${up ? "undone whole" : "left applied, whole"}`] : []),
    ].join("; ");
  } catch {
    const ifCrashed =
      up && done.length > 0 ? ", of which a crash of the server may have undone the last" : "";
    return `${showDone(progress)}${ifCrashed}; ${unknown}`;
  } finally {
    await side.end({ timeout: 1 });
  }
}

/** `0006_a was` or `0006_a, 0007_b were` */
function wereOf(jobs: readonly Job[]): string {
  return `${tagsOf(jobs)} ${jobs.length === 1 ? "was" : "were"}`;
}

function tagsOf(jobs: readonly Job[]): string {
  const tags = jobs.map(({ migration }) => migration.tag);
  return tags.length <= MOST_TAGS
    ? tags.join(", ")
    : `${tags[0]} to ${tags.at(-1)} (${tags.length} migrations)`;
}

/** How many are named one by one. */
const MOST_TAGS = 20;

async function canHaveLock(side: Session, ledger: LedgerName): Promise<boolean> {
  const until = Date.now() + LOST_SESSION_MS;
  while ((await tryLock(side, lockKey(ledger))) === undefined) {
    if (Date.now() > until) return false;
    await sleep(100);
  }
  return true;
}
