import postgres, { type ISql, type Sql } from "postgres";
import { onTestFinished } from "vitest";

/** What a statement did to the tables that were there before it. */
export interface Effect {
  /** The strongest lock on each table, as `MODE` for the first and `MODE on table` for the others; or `none`. */
  readonly locks: string;
  /** Whether a table's rows were written anew, read all, or neither. */
  readonly rows: "rewritten" | "read" | "untouched";
}

/** A session that runs what a migration holds, and sees what it does. */
export interface Measuring {
  readonly sql: Sql;
  /** Runs the text as the migrator would: in a transaction, unless it says CONCURRENTLY. */
  run(text: string): Promise<Effect>;
  /** Runs the text in a transaction, looks what has become of the database, and takes it all back. */
  tryOut<T>(text: string, look: () => Promise<T>): Promise<readonly [Effect, T]>;
}

/** Weakest first. ACCESS SHARE is left out: reading takes it. */
const MODES = [
  "ROW SHARE",
  "ROW EXCLUSIVE",
  "SHARE UPDATE EXCLUSIVE",
  "SHARE",
  "SHARE ROW EXCLUSIVE",
  "EXCLUSIVE",
  "ACCESS EXCLUSIVE",
] as const;

/** PostgreSQL says so itself when it goes through a whole table (tablecmds.c, index.c). */
const READS =
  /^(?:verifying table "(?<table>[^"]+)"|building index "[^"]+" on table "(?<indexed>[^"]+)"|validating foreign key)/;

interface Table {
  readonly oid: number;
  readonly name: string;
  readonly file: number;
}

/** One connection that measures, closed with the test. */
export function openMeasuring(url: string): Measuring {
  const notices: string[] = [];
  const sql = postgres(url, {
    max: 1,
    onnotice: ({ message }) => notices.push(message ?? ""),
    connection: { client_min_messages: "debug1" },
  });
  onTestFinished(() => sql.end());
  const runInTransaction = async (text: string): Promise<Effect> => {
    const before = await readTables(sql);
    await sql.unsafe("BEGIN");
    notices.length = 0;
    await sql.unsafe(text);
    const locks = await readLocks(sql, await pidOf(sql), before);
    return { locks, rows: rowsOf(before, await readTables(sql), notices) };
  };
  const runConcurrently = async (text: string): Promise<Effect> => {
    const before = await readTables(sql);
    const pid = await pidOf(sql);
    notices.length = 0;
    const locks = await runBesideWriter(sql, { url, pid, text, tables: before });
    return { locks, rows: rowsOf(before, await readTables(sql), notices) };
  };
  return {
    sql,
    run: async (text) => {
      if (/\bCONCURRENTLY\b/.test(text)) return runConcurrently(text);
      const effect = await runInTransaction(text);
      await sql.unsafe("COMMIT");
      return effect;
    },
    tryOut: async (text, look) => {
      try {
        const effect = await runInTransaction(text);
        return [effect, await look()];
      } finally {
        await sql.unsafe("ROLLBACK");
      }
    },
  };
}

/** The process that serves this connection. */
export async function pidOf(sql: Sql): Promise<number> {
  const [backend] = await sql<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
  return backend?.pid ?? 0;
}

/** What runs beside an open writer. */
interface Concurrent {
  readonly url: string;
  readonly pid: number;
  readonly text: string;
  readonly tables: readonly Table[];
}

/** A writer that stays open makes the statement wait, so that its locks can be seen. */
async function runBesideWriter(sql: Sql, { url, pid, text, tables }: Concurrent): Promise<string> {
  const writer = postgres(url, { max: 1, onnotice: () => undefined });
  onTestFinished(() => writer.end());
  let running: Promise<unknown> = Promise.resolve();
  const locks = await writer.begin(async (transaction) => {
    await transaction.unsafe(`LOCK TABLE ${tables.map(({ name }) => name).join()} IN ROW EXCLUSIVE MODE`);
    running = sql.unsafe(text);
    running.catch(() => undefined);
    await untilWaiting(transaction, pid);
    return readLocks(transaction, pid, tables);
  });
  await running;
  return locks;
}

/** Waits until this backend waits for the asking session itself; autovacuum may be in its way before. @throws Error after ten seconds */
export async function untilWaiting(sql: ISql, pid: number): Promise<void> {
  for (let attempt = 0; attempt < 2000; attempt += 1) {
    if ((await sql`SELECT 1 WHERE pg_backend_pid() = ANY (pg_blocking_pids(${pid}))`).length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`backend ${pid} does not wait for this session`);
}

async function readLocks(sql: ISql, pid: number, tables: readonly Table[]): Promise<string> {
  const rows = await sql<{ oid: number; mode: string }[]>`
    SELECT relation::int AS oid, mode FROM pg_locks
    WHERE pid = ${pid} AND locktype = 'relation' AND granted AND mode <> 'AccessShareLock'`;
  const strongest = tables
    .map(({ oid, name }) => ({
      name,
      strength: Math.max(-1, ...rows.filter((row) => row.oid === oid).map(({ mode }) => strengthOf(mode))),
    }))
    .filter(({ strength }) => strength >= 0)
    .sort((one, other) => other.strength - one.strength);
  const words = strongest.map(({ name, strength }, index) =>
    index === 0 ? MODES[strength] : `${MODES[strength]} on ${name}`,
  );
  return words.join(", ") || "none";
}

/** "ShareRowExclusiveLock" is SHARE ROW EXCLUSIVE. */
function strengthOf(mode: string): number {
  const words = mode
    .replace(/Lock$/, "")
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ")
    .toUpperCase();
  return MODES.indexOf(words as (typeof MODES)[number]);
}

async function readTables(sql: Sql): Promise<readonly Table[]> {
  const rows = await sql<Table[]>`
    SELECT oid::int, relname AS name, pg_relation_filenode(oid)::int AS file FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname`;
  return [...rows];
}

function rowsOf(
  before: readonly Table[],
  after: readonly Table[],
  notices: readonly string[],
): Effect["rows"] {
  const isRewritten = ({ oid, file }: Table) => after.some((now) => now.oid === oid && now.file !== file);
  if (before.some(isRewritten)) return "rewritten";
  // An index of a table that the statement itself makes is built on nothing.
  const isRead = notices.some((notice) => {
    const match = READS.exec(notice);
    const table = match?.groups?.table ?? match?.groups?.indexed;
    return match !== null && (table === undefined || before.some(({ name }) => name === table));
  });
  return isRead ? "read" : "untouched";
}
