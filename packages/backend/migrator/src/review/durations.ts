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

const TIMED = "migrator_timed";

/** Times a small table on a scratch database, and leaves nothing there. */
export async function timeServer(copy: Session): Promise<Pace> {
  const time = async (sql: string): Promise<number> => {
    const started = performance.now();
    await copy.unsafe(sql);
    return performance.now() - started;
  };
  await copy.unsafe("reset session authorization; reset role; reset all; begin");
  try {
    await copy.unsafe(`create table public.${TIMED} as
      select i as id, md5(i::text) as text, repeat(md5(i::text), 2) as filling from generate_series(1, ${TIMED_ROWS}) i`);
    const [size] = await copy.unsafe<{ mb: number }[]>(
      `select pg_relation_size('public.${TIMED}')::float8 / 1048576 as mb`,
    );
    const mb = size?.mb ?? 1;
    const scan = await time(`alter table public.${TIMED} add check (id > 0)`);
    const index = await time(`create index on public.${TIMED} (text)`);
    const rewrite = await time(`alter table public.${TIMED} alter column id type bigint`);
    return { scan: scan / mb, index: index / mb, rewrite: rewrite / mb };
  } finally {
    await copy.unsafe("rollback");
  }
}

/** Longest time that a statement which only changes catalogs takes, in ms. */
const CATALOG_MS = 5;

const MB = 1024 * 1024;

/** What a statement will take on the target, in ms: what it scans, indexes and writes anew, at the scratch server's pace. */
export function estimate(
  { locks, changes, alone }: ObservedStatement,
  weights: ReadonlyMap<number, RelationWeight>,
  pace: Pace,
): number {
  const indexesOn = (oid: number) =>
    changes.filter((change) => change.type === "index-added" && change.index.table === oid).length;
  return locks.reduce((sum, { relation, rewrites, scans, mode }) => {
    const weight = weights.get(relation.owner ?? relation.oid);
    if (weight === undefined) return sum;
    const mb = weight.bytes / MB;
    // An UPDATE or DELETE without an index writes what it reads, at the worst all of it.
    if (rewrites || (scans && mode === "ROW EXCLUSIVE")) return sum + (weight.totalBytes / MB) * pace.rewrite;
    const indexes = indexesOn(relation.oid);
    // Built CONCURRENTLY, a table is gone through twice.
    if (indexes > 0) return sum + mb * indexes * (pace.index + (alone ? pace.scan : 0));
    return scans ? sum + mb * pace.scan : sum;
  }, CATALOG_MS);
}
