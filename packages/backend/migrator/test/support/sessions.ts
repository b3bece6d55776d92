import { setTimeout as sleep } from "node:timers/promises";
import type { TestDatabase } from "@repo/test-database";
import postgres from "postgres";
import { expect, onTestFinished } from "vitest";

type Sql = TestDatabase["sql"];

/** A session beside the runner's, as a service or a person at psql has one. */
export interface OtherSession {
  readonly pid: number;
  /** Sends SQL at once; one call after the other, on one connection. */
  run(sql: string): Promise<unknown>;
}

/** Opens a session under a name that messages can show; it is closed with the test, whatever it had open. */
export async function openOther(url: string, name: string): Promise<OtherSession> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connection: { application_name: name } });
  onTestFinished(() => sql.end({ timeout: 0 }));
  const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
  return { pid: row?.pid ?? 0, run: async (text) => sql.unsafe(text) };
}

/** Looks again and again until there is something to see. @throws Error after `forMs` */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  forMs = 30_000,
): Promise<T> {
  const deadline = performance.now() + forMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > deadline) throw new Error(`waited ${forMs} ms for ${what}`);
    await sleep(20);
  }
}

/** A backend of a runner. */
export interface Backend {
  readonly pid: number;
  readonly query: string;
  readonly wait: string | null;
}

/** The runners' backends in this database, at work or idle. */
export async function readRunners(sql: Sql): Promise<readonly Backend[]> {
  return sql<Backend[]>`select pid, query, wait_event_type as wait from pg_stat_activity
    where datname = current_database() and application_name = 'migrator' order by backend_start`;
}

/** Waits until a runner's backend runs a statement with this text in it. */
export async function untilRuns(sql: Sql, text: string): Promise<Backend> {
  return until(`a runner at ${text}`, async () => {
    const [found] = await sql<Backend[]>`select pid, query, wait_event_type as wait from pg_stat_activity
      where datname = current_database() and application_name = 'migrator' and state = 'active'
        and position(${text} in query) > 0`;
    return found;
  });
}

/** Waits until a runner's backend is in a `pg_sleep` of a migration with this name. */
export async function untilSleeps(sql: Sql, tag: string): Promise<Backend> {
  return until(`a runner that sleeps in ${tag}`, async () =>
    (await readRunners(sql)).find(({ query, wait }) => query.includes(`${tag}.sql`) && wait === "Timeout"),
  );
}

/** Waits until a runner's backend waits for a lock on a relation, a transaction or a row. */
export async function untilBlocked(sql: Sql): Promise<Backend> {
  return until("a runner that waits for a lock", async () =>
    (await readRunners(sql)).find(({ wait }) => wait === "Lock"),
  );
}

/** Waits until one backend waits for another, and for nobody else. */
export async function untilWaitsFor(
  sql: Sql,
  waiting: { readonly pid: number },
  { pid }: { readonly pid: number },
): Promise<void> {
  await until(`backend ${waiting.pid} to wait for ${pid}`, async () => {
    const [row] = await sql<{ pids: number[] }[]>`select pg_blocking_pids(${waiting.pid}) as pids`;
    return row?.pids.length === 1 && row.pids[0] === pid;
  });
}

/** No runner has left a backend, and nobody holds an advisory lock in this database. */
export async function expectNoRunner(sql: Sql): Promise<void> {
  await until("the runners' backends to end", async () => (await readRunners(sql)).length === 0, 5_000);
  const held = await sql`select 1 from pg_locks where locktype = 'advisory'
    and database = (select oid from pg_database where datname = current_database())`;
  expect(held).toEqual([]);
}

/** The run log without what differs from run to run. */
export interface RunFacts {
  readonly tag: string;
  readonly direction: string;
  readonly outcome: string;
  readonly completed: number | null;
  readonly begun: number | null;
  readonly retries: number;
  readonly error: string | null;
}

export async function readRunFacts(sql: Sql): Promise<readonly RunFacts[]> {
  return sql<RunFacts[]>`select tag, direction, outcome, completed, begun, retries, error
    from drizzle.__drizzle_migrations_runs order by id`;
}

/** The table's indexes by name, each with whether it is valid. */
export async function readValidity(sql: Sql, table: string): Promise<Readonly<Record<string, boolean>>> {
  const rows = await sql<{ name: string; valid: boolean }[]>`
    select indexrelid::regclass::text as name, indisvalid as valid from pg_index
    where indrelid = ${table}::regclass order by 1`;
  return Object.fromEntries(rows.map(({ name, valid }) => [name, valid]));
}

/** What a migration that must run once has written: one number each time. */
export async function readHits(sql: Sql): Promise<readonly number[]> {
  const rows = await sql<{ n: number }[]>`select n from hits order by at`;
  return rows.map(({ n }) => n);
}
