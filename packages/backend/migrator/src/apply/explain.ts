import type { Settings } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { codeOf } from "../database/failures.ts";
import { readLedger } from "../database/inspect.ts";
import { identifier } from "../database/sql-text.ts";
import { EXIT, MigratorError, messageOf } from "../errors.ts";
import type { Migration } from "../folder/read.ts";
import { GOT_ROWS } from "./losses.ts";

/** SQLSTATEs of "there is already one of this name": schema, table or index, column, function, type or constraint. */
const ALREADY_THERE = new Set(["42P06", "42P07", "42701", "42723", "42710"]);

/** What failed, and what had been done before it. */
export interface FailedRun {
  readonly database: Database;
  readonly settings: Settings;
  readonly failed: Migration;
  /** Tags done before it in this run. */
  readonly done: readonly string[];
  readonly direction: "up" | "down";
}

/** Completes a failure with what stands in the database now and what to do. */
export async function explainFailure(error: unknown, run: FailedRun): Promise<unknown> {
  if (!(error instanceof MigratorError)) return error;
  const { code, message, details, exitCode, cause } = error;
  const better = await betterOf(error, run);
  const state = `${showDone(run)}; ${await fateOf(error, run)}`;
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

function showDone({ done, direction }: FailedRun): string {
  const verb = direction === "up" ? "applied" : "rolled back";
  if (done.length === 0) return `nothing was ${verb}`;
  return `${done.join(", ")} ${done.length === 1 ? "was" : "were"} ${verb}`;
}

async function fateOf(error: MigratorError, run: FailedRun): Promise<string> {
  if (error.code === "connection-lost") return fateAfterLoss(run);
  return `${run.failed.tag} was ${run.direction === "up" ? "undone whole and is still pending" : "left applied, whole"}`;
}

const MEND = "mend the file, then run again: it starts with this migration";

/** The same failure in the words of its cause, where that is known. */
async function betterOf(error: MigratorError, { database, settings }: FailedRun) {
  const sqlState = codeOf(error.cause) ?? "";
  if (sqlState === GOT_ROWS) return gotRows(error);
  if (sqlState === "42501") return permissionDenied(error, database);
  if (ALREADY_THERE.has(sqlState)) return { fix: alreadyThere(settings) };
  if (sqlState === "25006")
    return { code: "read-only", fix: "connect to a server, and with a role, that may write" };
  if (sqlState === "25001") {
    return {
      fix: "this statement cannot run in a transaction, and every migration runs in one: write it without CONCURRENTLY",
    };
  }
  return {};
}

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

/** The commit may have arrived before the connection broke: the ledger, read through a new connection, knows. */
async function fateAfterLoss({ database, settings, failed, direction }: FailedRun): Promise<string> {
  const rows = await readLedger(database, settings.ledger).catch(() => undefined);
  if (rows === undefined) return `whether ${failed.tag} was committed is not known`;
  const stands = rows.some((row) => row.hash === failed.up?.hash);
  if (direction === "up")
    return stands ? `${failed.tag} was committed before that` : `${failed.tag} was undone whole`;
  return stands ? `${failed.tag} was left applied, whole` : `${failed.tag} was rolled back before that`;
}
