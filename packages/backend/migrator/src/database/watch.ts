import type { Limits } from "../limits.ts";
import type { Database } from "./connect.ts";
import type { Session } from "./session.ts";

/** What a backend is doing, seen from another connection. */
export interface Sighting {
  /** Who blocks it, in words; undefined while nobody does. */
  readonly blockers: string | undefined;
  /** How far an index build is, in words; undefined while none runs. */
  readonly progress: string | undefined;
}

/** Looks at the working backend from a second connection, which is opened only when something takes its time. */
export interface Watcher {
  /**
   * Runs `work` and looks now and then, first after `patienceMs`. Aborting the signal cancels what the backend runs,
   * again and again until `work` ends: a cancellation between two statements reaches neither.
   */
  during<T>(work: () => Promise<T>, options: WatchOptions): Promise<T>;
  /** The last blockers seen, in words, and forgets them. */
  takeBlockers(): string | undefined;
  close(): Promise<void>;
}

export interface WatchOptions {
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  onSight(sighting: Sighting): void;
}

/** How often the watcher looks, in ms. */
const LOOK_EVERY_MS = 250;

/** When a watcher first looks at the latest, in ms: most statements have ended by then. */
const PATIENCE_MS = 400;

/** When to look first, in ms: before the wait for a lock is over. */
export function patienceOf({ lockTimeoutMs, concurrentLockTimeoutMs }: Limits): number {
  const waits = [lockTimeoutMs, concurrentLockTimeoutMs].filter((ms) => ms > 0);
  return Math.min(PATIENCE_MS, ...waits.map((ms) => ms / 2));
}

/** How often a cancellation is repeated, in ms. */
const CANCEL_EVERY_MS = 50;

export function createWatcher(database: Database, pid: number): Watcher {
  let side: Session | undefined;
  let lastBlockers: string | undefined;
  const open = () => {
    side ??= database.openSide();
    return side;
  };
  // The server may have no connection left, or the network may be gone: watching is a courtesy, never a reason to fail.
  const look = async (onSight: WatchOptions["onSight"]) => {
    const [seen] = await open()
      .unsafe<Sighting[]>(sightSql(pid))
      .catch(() => []);
    if (seen === undefined) return;
    lastBlockers = seen.blockers ?? lastBlockers;
    onSight({ blockers: seen.blockers ?? undefined, progress: seen.progress ?? undefined });
  };
  const cancel = async () => {
    await open()
      .unsafe(`select pg_cancel_backend(${pid})`)
      .catch(() => undefined);
  };
  return {
    async during(work, { patienceMs, signal, onSight }) {
      // By the time that connecting takes, so short a wait would be over.
      if (patienceMs < PATIENCE_MS)
        void open()
          .unsafe("select 1")
          .catch(() => undefined);
      const looking = repeat(() => look(onSight), patienceMs, LOOK_EVERY_MS);
      let cancelling: Repetition | undefined;
      const onAbort = () => {
        cancelling = repeat(cancel, 0, CANCEL_EVERY_MS);
      };
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
      try {
        return await work();
      } finally {
        signal.removeEventListener("abort", onAbort);
        await Promise.all([looking.stop(), cancelling?.stop()]);
      }
    },
    takeBlockers() {
      const seen = lastBlockers;
      lastBlockers = undefined;
      return seen;
    },
    async close() {
      await side?.end({ timeout: 1 });
    },
  };
}

interface Repetition {
  /** Ends the repetition and waits for a round that is under way. */
  stop(): Promise<void>;
}

/** Does something again and again, never twice at once. */
function repeat(action: () => Promise<void>, firstMs: number, everyMs: number): Repetition {
  let stopped = false;
  let running: Promise<void> = Promise.resolve();
  let timer = setTimeout(round, firstMs);
  function round(): void {
    running = action().then(() => {
      if (!stopped) timer = setTimeout(round, everyMs);
    });
  }
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}

/** A row `a` of pg_stat_activity, for people. Of a session that this role may not see into, PostgreSQL gives NULL for its start. */
export const SESSION_IN_WORDS = `format('pid %s (%s, user %s, %s)', a.pid, coalesce(nullif(a.application_name, ''), 'no name'), a.usename,
        case when a.backend_start is null then 'what it does is not shown to this role'
          else format('%s for %s s: %s', coalesce(a.state, 'state not shown'), round(extract(epoch from clock_timestamp() - a.state_change)),
            left(regexp_replace(a.query, '\\s+', ' ', 'g'), 80)) end)`;

function sightSql(pid: number): string {
  return `select
    (select string_agg(${SESSION_IN_WORDS}, '; ')
      from pg_catalog.pg_stat_activity a where a.pid = any(pg_catalog.pg_blocking_pids(${pid}))) as blockers,
    (select format('%s%s', p.phase, case when greatest(p.blocks_total, p.tuples_total) > 0 then format(', %s %%',
        round(least(100, 100 * case when p.tuples_total > 0 then p.tuples_done / p.tuples_total else p.blocks_done / nullif(p.blocks_total, 0) end))) end)
      from (select phase, blocks_done::numeric, blocks_total::numeric, tuples_done::numeric, tuples_total::numeric
        from pg_catalog.pg_stat_progress_create_index where pid = ${pid}) p) as progress`;
}
