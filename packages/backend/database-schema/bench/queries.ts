import { performance } from "node:perf_hooks";
import { and, eq, type SQL } from "drizzle-orm";
import { QueryBuilder } from "drizzle-orm/pg-core";
import type { Sql } from "postgres";
import { WISHLIST_STORES, wishlistItems } from "../src/index.ts";

/** What one query of one person's wishlist is sent as. */
export interface WishlistQuery {
  readonly name: string;
  readonly build: (user: string) => { readonly sql: string; readonly params: unknown[] };
}

/** How long the runs of one query took, in milliseconds. */
export interface Timing {
  readonly name: string;
  readonly median: number;
  readonly p99: number;
}

const { userId, store, priority, sortOrder } = wishlistItems;
const items = (condition: SQL | undefined) =>
  new QueryBuilder().select().from(wishlistItems).where(condition);

/** The queries that the five indexes exist for, as Drizzle sends them. */
export const wishlistQueries: readonly WishlistQuery[] = [
  { name: "by user", build: (user) => items(eq(userId, user)).toSQL() },
  { name: "by user in sort order", build: (user) => items(eq(userId, user)).orderBy(sortOrder).toSQL() },
  { name: "user + store", build: (user) => items(and(eq(userId, user), eq(store, "LEGO"))).toSQL() },
  { name: "user + priority", build: (user) => items(and(eq(userId, user), eq(priority, 5))).toSQL() },
  {
    name: "user + store + priority",
    build: (user) => items(and(eq(userId, user), eq(store, "LEGO"), eq(priority, 5))).toSQL(),
  },
];

/** Name of the n-th person; people are numbered from 1. */
export const userName = (number: number) => `auth0|user-${String(number).padStart(8, "0")}`;

/**
 * Fills the table with `count` items, spread evenly over `users` people, made by the server itself and the same on
 * every run. With `order` "by user" each person's items lie together, as after an import; with "mixed" they lie
 * scattered, as after years of adding one now and then.
 */
export async function fillWishlist(sql: Sql, count: number, users: number, order: "by user" | "mixed") {
  const perUser = Math.ceil(count / users);
  const [person, place] =
    order === "mixed"
      ? [sql`(n % ${users}::int) + 1`, sql`n / ${users}::int`]
      : [sql`(n / ${perUser}::int) + 1`, sql`n % ${perUser}::int`];
  await sql`
    INSERT INTO wishlist_items
      (user_id, title, store, set_number, source_url, price, piece_count, tags, priority, notes, sort_order)
    SELECT 'auth0|user-' || lpad(person::text, 8, '0'), 'Set number ' || n,
      (${[...WISHLIST_STORES]}::text[])[place / 6 % 5 + 1]::wishlist_store, n || '-1',
      'https://shop.example/sets/' || n, (n % 900) || '.99', n % 5000, '["castle", "gift"]',
      place % 6, repeat('Wanted for the shelf. ', n % 5), place
    FROM (SELECT n, ${person} AS person, ${place} AS place FROM generate_series(0, ${count - 1}::int) n) numbers`;
  await sql`ANALYZE wishlist_items`;
}

/** Runs a query once for each of `runs` people drawn at random, one after the other, over one prepared statement. */
export async function timeQuery(
  sql: Sql,
  query: WishlistQuery,
  users: number,
  runs: number,
): Promise<Timing> {
  const run = (user: string) => {
    const { sql: text, params } = query.build(user);
    return sql.unsafe(text, params as string[], { prepare: true });
  };
  // The first runs pay for the connection, the parsing and PostgreSQL's choice of a plan.
  for (let warmUp = 0; warmUp < 10; warmUp++) await run(userName(1));
  const times: number[] = [];
  for (let index = 0; index < runs; index++) {
    const user = userName(1 + Math.floor(Math.random() * users));
    const start = performance.now();
    await run(user);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return { name: query.name, median: quantile(times, 0.5), p99: quantile(times, 0.99) };
}

/** The smallest time that at least this share of the runs did not exceed. */
function quantile(sorted: readonly number[], share: number) {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
