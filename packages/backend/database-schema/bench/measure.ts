import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { migrate } from "@repo/migrator";
import postgres, { type Sql } from "postgres";
import { itemsPerUser } from "./flags.ts";
import { fillWishlist, type Timing, timeQuery, wishlistQueries } from "./queries.ts";

const migrations = fileURLToPath(new URL("../src/migrations/app", import.meta.url));

/** The five queries' timings on a table of one size. */
export interface SizeResult {
  readonly items: number;
  readonly users: number;
  /** Seconds it took to fill the table. */
  readonly fillSeconds: number;
  readonly timings: readonly Timing[];
}

/** Everything one run of the benchmark found out about a server. */
export interface BenchResult {
  readonly serverVersion: string;
  /** Milliseconds of `migrate` on empty databases, one number a database, connecting included. */
  readonly migrateMs: readonly number[];
  readonly runsPerQuery: number;
  readonly sizes: readonly SizeResult[];
}

/** Measures on the server behind `url`; every database it makes there it drops again. */
export async function measure(
  url: string,
  sizes: readonly number[],
  runsPerQuery: number,
): Promise<BenchResult> {
  const admin = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    const [version] = await admin<{ server_version: string }[]>`SHOW server_version`;
    const migrateMs: number[] = [];
    for (let round = 0; round < 5; round++) migrateMs.push(await withDatabase(admin, url, timeMigrate));
    const results: SizeResult[] = [];
    for (const items of sizes) {
      results.push(await withDatabase(admin, url, (database) => measureSize(database, items, runsPerQuery)));
    }
    return { serverVersion: version?.server_version ?? "", migrateMs, runsPerQuery, sizes: results };
  } finally {
    await admin.end();
  }
}

async function timeMigrate(url: string): Promise<number> {
  const start = performance.now();
  await migrate({ url, migrations });
  return performance.now() - start;
}

async function measureSize(url: string, items: number, runsPerQuery: number): Promise<SizeResult> {
  await migrate({ url, migrations });
  const sql = postgres(url, { max: 1 });
  try {
    const users = items / itemsPerUser;
    const start = performance.now();
    await fillWishlist(sql, items, users, "mixed");
    const fillSeconds = (performance.now() - start) / 1000;
    const timings: Timing[] = [];
    for (const query of wishlistQueries) timings.push(await timeQuery(sql, query, users, runsPerQuery));
    return { items, users, fillSeconds, timings };
  } finally {
    await sql.end();
  }
}

async function withDatabase<T>(admin: Sql, url: string, use: (url: string) => Promise<T>): Promise<T> {
  const name = `bench_${process.pid}`;
  await admin`CREATE DATABASE ${admin(name)}`;
  try {
    return await use(Object.assign(new URL(url), { pathname: name }).href);
  } finally {
    await admin`DROP DATABASE ${admin(name)} WITH (FORCE)`;
  }
}
