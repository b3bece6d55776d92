import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "../database/connect.ts";
import type { Session } from "../database/session.ts";
import { identifier } from "../database/sql-text.ts";
import type { HeldLock, Relation } from "./facts.ts";
import { compareModes, type LockMode, modeOf } from "./locks.ts";

/** How often a statement that waits is looked at, in ms. */
const LOOK_EVERY_MS = 5;

/** In how many steps a statement may wait for those before it; a concurrent index build has three. */
const MOST_STEPS = 12;

/**
 * Runs a statement that cannot be in a transaction, and sees from a second connection what it locks: it is made to wait,
 * first for a session that lets nobody do more than read the tables, then again and again for one that writes to them.
 * @param relations all of the database
 * @returns the strongest lock that each relation was seen with, held or asked for
 * @throws what the statement throws
 */
export async function watchLone(
  database: Database,
  sql: string,
  relations: readonly Relation[],
): Promise<ReadonlyMap<number, LockMode>> {
  const tables = relations.filter(({ kind, schema }) => ["r", "p"].includes(kind) && schema !== "pg_toast");
  const seen = new Map<number, LockMode>();
  const [backend] = await database.sql.unsafe<{ pid: number }[]>("select pg_backend_pid() as pid");
  const pid = backend?.pid ?? 0;
  let blocker = await block(database, tables, true);
  try {
    let isOver = false;
    const running = database.sql.unsafe(sql).finally(() => {
      isOver = true;
    });
    running.catch(() => undefined);
    const waits = () => untilWaiting(blocker, pid, () => isOver);
    await waits();
    await note(blocker, pid, seen);
    await blocker.unsafe("rollback to savepoint writing");
    for (let step = 0; step < MOST_STEPS && !isOver; step++) {
      await waits();
      if (isOver) break;
      await note(blocker, pid, seen);
      const next = await block(database, tables, false);
      await blocker.end({ timeout: 0 });
      blocker = next;
    }
    await blocker.unsafe("rollback");
    await running;
  } finally {
    await blocker.end({ timeout: 0 });
  }
  return seen;
}

/** A session that keeps its tables as a writer does, and if wanted so that others may only read. */
async function block(database: Database, tables: readonly Relation[], wholly: boolean): Promise<Session> {
  const session = database.openSide();
  const names = tables.map(({ schema, name }) => `${identifier(schema)}.${identifier(name)}`).join(", ");
  await session.unsafe("begin; set local lock_timeout = '200ms'; savepoint nothing");
  if (names === "") return session;
  const lock = (mode: LockMode) =>
    session.unsafe(`lock table only ${names.replaceAll(", ", ", only ")} in ${mode} mode`);
  // Where the statement holds more than this could be let beside, there is nothing more to see.
  await lock("ROW EXCLUSIVE").catch(() => session.unsafe("rollback to savepoint nothing"));
  await session.unsafe("savepoint writing");
  if (wholly) await lock("EXCLUSIVE");
  return session;
}

async function untilWaiting(session: Session, pid: number, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const [row] = await session.unsafe<{ waits: boolean }[]>(
      `select pg_backend_pid() = any (pg_blocking_pids(${pid})) as waits`,
    );
    if (row?.waits) return;
    await sleep(LOOK_EVERY_MS);
  }
}

async function note(session: Session, pid: number, seen: Map<number, LockMode>): Promise<void> {
  const locks = await session.unsafe<HeldLock[]>(`
    select relation::bigint::text::float8 as oid, mode from pg_catalog.pg_locks
    where pid = ${pid} and locktype = 'relation' and mode <> 'AccessShareLock'`);
  for (const { oid, mode: name } of locks) {
    const mode = modeOf(name);
    const known = seen.get(oid);
    if (mode && (known === undefined || compareModes(known, mode) < 0)) seen.set(oid, mode);
  }
}
