import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";

/** Writes that were due in a window of time. */
export interface Writes {
  /** Of every write, failed ones included, in ms: from when it was due, also where the one before it came back late. */
  readonly latencies: readonly number[];
  /** Messages of writes that failed. */
  readonly failures: readonly string[];
}

/** Sessions that write at a steady rate, as a service does. */
export interface Writers {
  /** Gives the writes that were due while `work` ran, once all of them have come back. */
  during(work: () => Promise<unknown>): Promise<Writes>;
  stop(): Promise<void>;
}

/** Each on its own connection. */
export const WRITERS = 8;

/** Between two writes of one writer, in ms. */
const EVERY_MS = 10;

/** A service gives a write up after this time, in ms (`statement_timeout`). */
export const PATIENCE_MS = 5_000;

/** Time to get the connections and the caches warm, in ms. */
const WARM_UP_MS = 3_000;

/** Starts the writers on the table `event`, which has `rows` rows with ids from 1. */
export async function startWriters(url: string, rows: number): Promise<Writers> {
  const log: Write[] = [];
  const stopping = new AbortController();
  const running = Array.from({ length: WRITERS }, (_, writer) =>
    writeSteadily(url, rows, stopping.signal, (write) => log.push({ ...write, writer })),
  );
  await sleep(WARM_UP_MS);
  return {
    async during(work) {
      const from = now();
      await work();
      const to = now();
      // Writes that were due in the window may still be under way.
      while (new Set(log.filter(({ due }) => due > to).map(({ writer }) => writer)).size < WRITERS)
        await sleep(100);
      return summary(log.filter(({ due }) => due >= from && due <= to));
    },
    async stop() {
      stopping.abort();
      await Promise.all(running);
    },
  };
}

interface Write {
  readonly writer: number;
  readonly due: number;
  readonly ms: number;
  readonly failure: string | undefined;
}

async function writeSteadily(
  url: string,
  rows: number,
  signal: AbortSignal,
  record: (write: Omit<Write, "writer">) => void,
): Promise<void> {
  const sql = postgres(url, { max: 1, connection: { statement_timeout: PATIENCE_MS } });
  let due = now() + Math.random() * EVERY_MS;
  while (!signal.aborted) {
    // Waiting ends a little late, which is the timer's doing: such a write is due when it is sent.
    if (due > now()) {
      await sleep(due - now());
      due = now();
    }
    const failure = await writeOnce(sql, rows);
    record({ due, ms: now() - due, failure });
    due += EVERY_MS;
  }
  await sql.end();
}

/** Every second write inserts, the others update. */
async function writeOnce(sql: postgres.Sql, rows: number): Promise<string | undefined> {
  const random = Math.floor(Math.random() * rows);
  const query =
    random % 2 === 0
      ? sql`insert into event (account, kind, note) values (${random % 50_000}, ${random % 20}, 'written while it runs')`
      : sql`update event set note = 'changed while it runs' where id = ${random + 1}`;
  return query.then(
    () => undefined,
    (error: Error) => error.message,
  );
}

function summary(writes: readonly Write[]): Writes {
  return {
    latencies: writes.map(({ ms }) => ms),
    failures: writes.flatMap(({ failure }) => failure ?? []),
  };
}

/** ms since some moment. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
