import type { Session } from "../database/session.ts";
import type { ObservedStatement } from "./observed.ts";
import type { RelationWeight } from "./weigh.ts";

/** How long something takes, as far as that can be said beforehand. */
export type DurationClass = "instant" | "seconds" | "minutes";

/** Up to this many ms something is `instant`, and up to that many it takes `seconds`. */
const INSTANT_MS = 1000;
const SECONDS_MS = 60_000;

export function classOf(ms: number): DurationClass {
  if (ms < INSTANT_MS) return "instant";
  return ms < SECONDS_MS ? "seconds" : "minutes";
}

/** What the scratch server needs for a megabyte of a table, in ms. */
export interface Pace {
  readonly scan: number;
  readonly index: number;
  readonly rewrite: number;
}

/** Rows of the table that is timed: a megabyte, which takes a tenth of a second in all. */
const TIMED_ROWS = 8000;

/** How often each thing is timed: the best counts, since others use the server too. */
const TRIES = 3;

/** Times a small table on a scratch database beside an empty one, and leaves nothing there. */
export async function timeServer(copy: Session): Promise<Pace> {
  const time = async (sql: string): Promise<number> => {
    const started = performance.now();
    await copy.unsafe(sql);
    return performance.now() - started;
  };
  const best = async (sql: (attempt: number) => string): Promise<number> => {
    const times: number[] = [];
    for (let attempt = 0; attempt < TRIES; attempt++) times.push(await time(sql(attempt)));
    return Math.min(...times);
  };
  await copy.unsafe(
    "reset session authorization; reset role; reset all; begin; create schema migrator_timed",
  );
  try {
    await copy.unsafe(`create table migrator_timed.none (id int, text text, filling text);
      create table migrator_timed.some as
      select i as id, md5(i::text) as text, repeat(md5(i::text), 2) as filling from generate_series(1, ${TIMED_ROWS}) i`);
    const [size] = await copy.unsafe<{ mb: number }[]>(
      "select pg_relation_size('migrator_timed.some')::float8 / 1048576 as mb",
    );
    // What it costs beyond the same on nothing, for each megabyte.
    const pace = async (sql: (table: string, attempt: number) => string): Promise<number> => {
      const none = await best((attempt) => sql("migrator_timed.none", attempt));
      const some = await best((attempt) => sql("migrator_timed.some", attempt));
      return Math.max(some - none, 0.1) / (size?.mb ?? 1);
    };
    // Before there are indexes: those of a table that is written anew are counted beside it.
    const rewrite = await pace(
      (table, attempt) => `alter table ${table} alter id type ${attempt % 2 ? "int" : "bigint"}`,
    );
    return {
      rewrite,
      scan: await pace((table) => `alter table ${table} add check (id > 0)`),
      index: await pace((table) => `create index on ${table} (text)`),
    };
  } finally {
    await copy.unsafe("rollback");
  }
}

/** How much longer rows take one by one than a table at once: each leaves its old version behind, and goes into each index by itself. */
const ROW_BY_ROW = 4;

/** Longest time that a statement which only changes catalogs takes, in ms. */
const CATALOG_MS = 5;

const MB = 1024 * 1024;

/** What a statement will take on the target, in ms: what it scans, indexes and writes anew, at the scratch server's pace. */
export function estimate(
  { locks, changes, alone, type, facts }: ObservedStatement,
  weights: ReadonlyMap<number, RelationWeight>,
  pace: Pace,
): number {
  const indexesOn = (oid: number) =>
    changes.filter((change) => change.type === "index-added" && change.index.table === oid).length;
  // It gives each table a new file, and writes nothing into it.
  if (type === "TruncateStmt") return CATALOG_MS;
  return locks.reduce((sum, { relation, rewrites, scans, mode }) => {
    const weight = weights.get(relation.owner ?? relation.oid);
    if (weight === undefined) return sum;
    const mb = weight.bytes / MB;
    // An UPDATE or DELETE without an index writes what it reads, at the worst all of it, row by row. The indexes follow.
    const isWrite = scans && mode === "ROW EXCLUSIVE";
    if (rewrites || isWrite) {
      const own = [...facts.indexes.values()].filter(({ table }) => table === relation.oid).length;
      const all = (weight.totalBytes / MB) * pace.rewrite + mb * own * pace.index;
      return sum + all * (isWrite ? ROW_BY_ROW : 1);
    }
    const indexes = indexesOn(relation.oid);
    // Built CONCURRENTLY, a table is gone through twice.
    if (indexes > 0) return sum + mb * indexes * (pace.index + (alone ? pace.scan : 0));
    return scans ? sum + mb * pace.scan : sum;
  }, CATALOG_MS);
}
