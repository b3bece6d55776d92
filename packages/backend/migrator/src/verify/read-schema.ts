import { setTimeout as sleep } from "node:timers/promises";
import type { Catalog } from "../catalog/catalog.ts";
import { readCatalog } from "../catalog/read.ts";
import type { Settings } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { codeOf, isServerError, serverWords } from "../database/failures.ts";
import { EXIT, MigratorError, messageOf } from "../errors.ts";

/** A schema, or why it could not be read, and whether it may be the next time. */
export type SchemaReading =
  | { readonly catalog: Catalog }
  | { readonly catalog: undefined; readonly failure: MigratorError; readonly isPassing: boolean };

/** How often a database is read again in which something was under way, in ms. */
export const READ_AGAIN_MS = 250;

/** @throws what is no refusal of the server */
export async function tryToReadSchema(database: Database, settings: Settings): Promise<SchemaReading> {
  try {
    return { catalog: await readCatalog(database, { ledger: settings.ledger }) };
  } catch (error) {
    if (!isServerError(error)) throw error;
    return { catalog: undefined, failure: unreadable(database, error), isPassing: isVanishing(error) };
  }
}

/** Reads a schema, again where something of it vanished meanwhile. @throws MigratorError `cannot-check` */
export async function readSchema(database: Database, settings: Settings): Promise<Catalog> {
  const until = Date.now() + settings.limits.lockWaitMs;
  for (;;) {
    const reading = await tryToReadSchema(database, settings);
    if (reading.catalog) return reading.catalog;
    if (!reading.isPassing || Date.now() > until) throw reading.failure;
    await sleep(READ_AGAIN_MS);
  }
}

/**
 * Whether something was dropped while it was read: all rows are those of one moment, but PostgreSQL's functions that put a
 * constraint or a view into words look at the present.
 */
function isVanishing(error: unknown): boolean {
  const code = codeOf(error) ?? "";
  if (code === "XX000") return /cache lookup failed|could not (open|find)/.test(messageOf(error));
  return VANISHED.has(code);
}

/** Undefined table, column, schema, function, object. */
const VANISHED: ReadonlySet<string> = new Set(["42P01", "42703", "3F000", "42883", "42704"]);

function unreadable({ address }: Database, cause: unknown): MigratorError {
  return new MigratorError({
    code: "cannot-check",
    message: `the schema of database ${address.database} cannot be read`,
    details: serverWords(cause),
    state: "nothing was changed",
    fix: "where somebody changes the schema all the time, check again when that has ended; else mend what PostgreSQL says",
    exitCode: EXIT.refused,
    cause,
  });
}
