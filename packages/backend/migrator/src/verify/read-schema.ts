import { setTimeout as sleep } from "node:timers/promises";
import type { Catalog } from "../catalog/catalog.ts";
import { readCatalog } from "../catalog/read.ts";
import type { Settings } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { codeOf, isServerError, serverWords } from "../database/failures.ts";
import { type LockKey, lockKey } from "../database/lock.ts";
import type { Session } from "../database/session.ts";
import { SESSION_IN_WORDS } from "../database/watch.ts";
import { EXIT, MigratorError, messageOf } from "../errors.ts";
import type { Limits } from "../limits.ts";

/** A schema, or why it could not be read, and whether it may be the next time. */
export type SchemaReading =
  | { readonly catalog: Catalog }
  | { readonly catalog: undefined; readonly failure: MigratorError; readonly isPassing: boolean };

/** How often a database is read again in which something was under way, in ms. */
export const READ_AGAIN_MS = 250;

/**
 * Waits for each lock as long as `--lock-timeout` says.
 * @throws what is no refusal of the server
 */
export async function tryToReadSchema(database: Database, settings: Settings): Promise<SchemaReading> {
  try {
    return { catalog: await readCatalog(bounded(database, settings.limits), { ledger: settings.ledger }) };
  } catch (error) {
    if (!isServerError(error)) throw error;
    if (codeOf(error) === "55P03") return lockedReading(database, settings, error);
    return { catalog: undefined, failure: unreadable(database, error), isPassing: isVanishing(error) };
  }
}

/** The same database, whose further sessions wait no longer than the limits say. */
function bounded(database: Database, { lockTimeoutMs, statementTimeoutMs }: Limits): Database {
  const limits = `set local lock_timeout = ${lockTimeoutMs}; set local statement_timeout = ${statementTimeoutMs}`;
  const openSide = (): Session => {
    const session = database.openSide();
    // In each transaction: behind a pooler, a setting of the session would reach other clients.
    return {
      ...session,
      unsafe: (text) => session.unsafe(/^begin\b/.test(text) ? `${text}; ${limits}` : text),
    };
  };
  return { ...database, openSide };
}

/** A lock of a migration under way passes, and ends that of whoever waits for it as long as `--lock-wait` says. */
async function lockedReading(database: Database, settings: Settings, cause: unknown): Promise<SchemaReading> {
  const [seen] = await database.sql.unsafe<Holders[]>(holdersSql(lockKey(settings.ledger)));
  const failure = new MigratorError({
    code: "cannot-check",
    message: `the schema of database ${database.address.database} could not be read within ${settings.limits.lockTimeoutMs} ms: another session has locked a part of it`,
    details: [...serverWords(cause), ...(seen?.holders ? [`in the way: ${seen.holders}`] : [])],
    state: "nothing was changed",
    fix: "wait for what is in the way or end it (SELECT pg_terminate_backend(<pid>);), then check again; or wait longer: --lock-timeout",
    exitCode: EXIT.refused,
    cause,
  });
  // Where nobody holds one any more, it passed a moment ago.
  return { catalog: undefined, failure, isPassing: seen?.migrating === true || !seen?.holders };
}

interface Holders {
  /** In words; null where they have just gone. */
  readonly holders: string | null;
  /** Whether another runner is at work. */
  readonly migrating: boolean;
}

function holdersSql({ classId, objectId }: LockKey): string {
  return `select
    (select string_agg(${SESSION_IN_WORDS} || ' with ' || l.tables, '; ')
      from (select pid, string_agg(relation::regclass::text, ', ') as tables from pg_catalog.pg_locks
        where granted and mode = 'AccessExclusiveLock' and pid <> pg_backend_pid() and relation >= 16384
          and database = (select oid from pg_catalog.pg_database where datname = current_database()) group by pid) l
      join pg_catalog.pg_stat_activity a using (pid)) as holders,
    exists (select from pg_catalog.pg_locks where locktype = 'advisory' and granted and pid <> pg_backend_pid() and objsubid = 2
      and database = (select oid from pg_catalog.pg_database where datname = current_database())
      and classid = ${classId}::bigint::oid and objid = (${objectId}::bigint & 4294967295)::oid) as migrating`;
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
