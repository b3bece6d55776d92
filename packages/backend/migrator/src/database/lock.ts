import { createHash } from "node:crypto";
import pRetry, { AbortError } from "p-retry";
import type { LedgerName } from "../config.ts";
import { EXIT, MigratorError } from "../errors.ts";
import type { Listener } from "../events.ts";
import type { Database } from "./connect.ts";
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

/** SQLSTATE that the proof below raises. */
export const LOCK_LOST = "MGR01";

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
  await acquire(database, key, waitMs, { on, signal });
  try {
    return await work();
  } finally {
    // A lost connection has released it already.
    await database.sql
      .unsafe(`select pg_advisory_unlock(${key.classId}, ${key.objectId})`)
      .catch(() => undefined);
  }
}

/** A statement that fails unless this very backend holds the lock: it does not after a reconnect or through a transaction pooler. */
export function proveLockSql(key: LockKey): string {
  return `do $proof$ begin
    if not exists (select from pg_catalog.pg_locks where locktype = 'advisory' and granted and pid = pg_backend_pid()
      and classid = ${key.classId}::bigint::oid and objid = (${key.objectId}::bigint & 4294967295)::oid and objsubid = 2) then
      raise exception 'this connection does not hold the migration lock' using errcode = '${LOCK_LOST}';
    end if;
  end $proof$`;
}

async function acquire(
  database: Database,
  key: LockKey,
  waitMs: number,
  { on, signal }: Waiting,
): Promise<void> {
  const started = Date.now();
  let nextWord = 0;
  await pRetry(
    async () => {
      if (await tryLock(database.sql, key)) return;
      const waited = Date.now() - started;
      const holder = await findHolder(database, key);
      if (waited >= waitMs) throw new AbortError(lockTimeout(waitMs, holder));
      if (waited >= nextWord) {
        nextWord = waited + SAY_AGAIN_MS;
        on({ type: "waiting", holder });
      }
      throw new Error("the lock is taken");
    },
    {
      retries: Number.POSITIVE_INFINITY,
      minTimeout: 50,
      maxTimeout: 1000,
      factor: 1.6,
      randomize: true,
      signal,
    },
  ).catch((error: unknown) => {
    throw signal.aborted ? interruptedWait(error) : error;
  });
}

/** Takes the lock for this session if it is free. */
export async function tryLock(sql: Session, key: LockKey): Promise<boolean> {
  const text = `select pg_try_advisory_lock(${key.classId}, ${key.objectId}) as locked`;
  const [row] = await sql.unsafe<{ locked: boolean }[]>(text);
  return row?.locked ?? false;
}

/** Who holds the lock, in words. */
async function findHolder(database: Database, key: LockKey): Promise<string> {
  const [row] = await database.sql.unsafe<{ holder: string }[]>(`
    select format('pid %s (%s, user %s, from %s, connected since %s)', a.pid, coalesce(nullif(a.application_name, ''), 'no name'),
      a.usename, coalesce(host(a.client_addr), 'a local socket'), to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS')) as holder
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

function lockTimeout(waitMs: number, holder: string): MigratorError {
  return new MigratorError({
    code: "lock-timeout",
    message: `another runner held the migration lock for more than ${waitMs / 1000} s: ${holder}`,
    state: "nothing was applied",
    fix: "wait for it and run again, wait longer with --lock-wait <duration>, or end it: SELECT pg_terminate_backend(<pid>);",
    exitCode: EXIT.found,
  });
}
