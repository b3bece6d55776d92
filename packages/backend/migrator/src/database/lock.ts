import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import pRetry, { AbortError } from "p-retry";
import type { LedgerName } from "../config.ts";
import { EXIT, MigratorError } from "../errors.ts";
import type { Listener } from "../events.ts";
import type { Database } from "./connect.ts";
import { serverWords } from "./failures.ts";
import type { Session } from "./session.ts";

/** Key of the advisory lock: one class for all migrators, one object per ledger, so that two ledgers do not meet. */
export interface LockKey {
  readonly classId: number;
  readonly objectId: number;
}

/** Who hears of the wait, and who may end it. */
export interface Waiting {
  readonly on: Listener;
  readonly signal: AbortSignal;
}

/** "migr" in ASCII: recognisable in pg_locks. */
const CLASS_ID = 0x6d696772;

/** How often a waiting runner says again whom it waits for, in ms. */
const SAY_AGAIN_MS = 10_000;

export function lockKey(ledger: LedgerName): LockKey {
  const digest = createHash("sha256").update(`${ledger.schema}\0${ledger.table}`).digest();
  return { classId: CLASS_ID, objectId: digest.readInt32BE(0) };
}

/**
 * Holds the ledger's lock for the length of `work`. Polls, because a runner that waited inside `pg_advisory_lock` would
 * hold a snapshot, and the runner it waits for would deadlock with it in CREATE INDEX CONCURRENTLY.
 * @throws MigratorError `lock-timeout`
 */
export async function withLock<T>(
  database: Database,
  ledger: LedgerName,
  waitMs: number,
  { on, signal }: Waiting,
  work: () => Promise<T>,
): Promise<T> {
  const key = lockKey(ledger);
  const pid = await acquire(database, key, waitMs, { on, signal });
  try {
    return await work();
  } finally {
    // A lost connection has released it already.
    await release(database, key, pid, on).catch(() => undefined);
  }
}

/** How often the lock's own backend is looked for behind a pooler. */
const RELEASE_TRIES = 100;

/**
 * Gives the lock back. Behind a pooler in transaction mode another backend answers than the one that took it: then it is
 * asked for until it comes along, since a lock that stays would stop every later run. Once it answers there is nothing
 * left to do, whatever it says: a migration may have given the lock up (`pg_advisory_unlock_all()`).
 */
async function release(database: Database, key: LockKey, pid: number, on: Listener): Promise<void> {
  const unlock = `pg_catalog.pg_advisory_unlock(${key.classId}, ${key.objectId})`;
  const text = `select pg_catalog.pg_backend_pid() = ${pid} as mine, case when pg_catalog.pg_backend_pid() = ${pid} then case when ${unlock} then ${unlock} end end as freed`;
  // PostgreSQL warns of a lock that is not held: after the last migration that concerns nobody.
  database.onNotice = () => {};
  for (let tries = 0; tries < RELEASE_TRIES; tries++) {
    const [row] = await database.sql.unsafe<{ mine: boolean }[]>(text);
    if (row?.mine) return;
    await sleep(10);
  }
  on({
    type: "warning",
    message: `the migration lock stays with backend ${pid} of a pooler; unless that ends soon: SELECT pg_terminate_backend(${pid});`,
  });
}

/**
 * A condition that is true where this very backend holds the lock: it does not after a reconnect or through a transaction
 * pooler. The lock is held twice over, so that giving it back once proves it without letting go; the view pg_locks would
 * cost a tenth of a small migration, and make every other session wait for it.
 */
export function holdsLockSql({ classId, objectId }: LockKey): string {
  return `case when pg_catalog.pg_advisory_unlock(${classId}, ${objectId}) then pg_catalog.pg_try_advisory_lock(${classId}, ${objectId}) else false end`;
}

/** Why the lock is asked for again. */
const TAKEN = new Error("the lock is taken");

async function acquire(
  database: Database,
  key: LockKey,
  waitMs: number,
  { on, signal }: Waiting,
): Promise<number> {
  const started = Date.now();
  let nextWord = 0;
  return pRetry(
    async () => {
      const pid = await tryLock(database.sql, key);
      if (pid !== undefined) return pid;
      const waited = Date.now() - started;
      const holder = await findHolder(database, key);
      if (waited >= waitMs) throw new AbortError(lockTimeout(waitMs, holder));
      if (waited >= nextWord) {
        nextWord = waited + SAY_AGAIN_MS;
        on({ type: "waiting", holder });
      }
      throw TAKEN;
    },
    {
      retries: Number.POSITIVE_INFINITY,
      minTimeout: 50,
      maxTimeout: 1000,
      factor: 1.6,
      randomize: true,
      signal,
      // A connection that is gone does not come back.
      shouldRetry: ({ error }) => error === TAKEN,
    },
  ).catch((error: unknown) => {
    if (signal.aborted) throw interruptedWait(error);
    throw error instanceof MigratorError ? error : lostWait(error);
  });
}

/** Takes the lock for this session, twice over, if it is free. Gives the id of the backend that then holds it. */
export async function tryLock(sql: Session, key: LockKey): Promise<number | undefined> {
  const take = `pg_catalog.pg_try_advisory_lock(${key.classId}, ${key.objectId})`;
  const text = `select pg_catalog.pg_backend_pid() as pid, case when ${take} then ${take} else false end as locked`;
  const [row] = await sql.unsafe<{ pid: number; locked: boolean }[]>(text);
  return row?.locked ? row.pid : undefined;
}

/** Who holds the lock, in words. Where a session comes from is NULL to a role that may not see it. */
async function findHolder(database: Database, key: LockKey): Promise<string> {
  const [row] = await database.sql.unsafe<{ holder: string }[]>(`
    select format('pid %s (%s, user %s, %s)', a.pid, coalesce(nullif(a.application_name, ''), 'no name'), a.usename,
      case when a.backend_start is null then 'address and start not shown to this role'
        else format('from %s, connected since %s UTC', coalesce(host(a.client_addr), 'a local socket'),
          to_char(a.backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')) end) as holder
    from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a using (pid)
    where l.locktype = 'advisory' and l.granted and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
      and l.classid = ${key.classId}::bigint::oid and l.objid = (${key.objectId}::bigint & 4294967295)::oid and l.objsubid = 2`);
  return row?.holder ?? "another runner that has just finished";
}

function interruptedWait(cause: unknown): MigratorError {
  return new MigratorError({
    code: "interrupted",
    message: "the run was interrupted while it waited for the migration lock",
    state: "nothing was changed",
    fix: "run again",
    exitCode: EXIT.found,
    cause,
  });
}

function lostWait(cause: unknown): MigratorError {
  return new MigratorError({
    code: "connection-lost",
    message: "the migration lock could not be asked for: the connection was lost, or the server refused",
    details: serverWords(cause),
    state: "nothing was changed",
    fix: "run again",
    exitCode: EXIT.found,
    cause,
  });
}

function lockTimeout(waitMs: number, holder: string): MigratorError {
  return new MigratorError({
    code: "lock-timeout",
    message: `another runner held the migration lock for more than ${waitMs / 1000} s: ${holder}`,
    state: "nothing was applied",
    fix: "wait for it and run again, wait longer with --lock-wait <duration>, or end it: SELECT pg_terminate_backend(<pid>);",
    exitCode: EXIT.found,
  });
}
