import type { Sql } from "postgres";
import { describe, expect, test } from "vitest";
import { fillWishlist, userName, type WishlistQuery, wishlistQueries } from "../bench/queries.ts";
import { createMigratedDatabase } from "./migrations.ts";

/** The parts of EXPLAIN's JSON that tell how rows are found. */
interface PlanNode {
  readonly "Node Type": string;
  readonly "Index Name"?: string;
  /** A condition tried on each row that the index gave, because the index does not know it. */
  readonly Filter?: string;
  readonly "Actual Rows": number;
  readonly Plans?: readonly PlanNode[];
}

const users = 50;
const count = 1_000;
const indexScans = ["Index Scan", "Index Only Scan", "Bitmap Index Scan"];

describe.each(["by user", "mixed"] as const)("with 1,000 items over 50 users, stored %s", (order) => {
  test.each(wishlistQueries)("the query $name is answered from an index", async (query) => {
    const { sql } = await createFilledDatabase(order);
    const nodes = await explain(sql, query);
    const scans = nodes.filter((node) => node["Node Type"].endsWith("Scan"));
    expect(scans.map((node) => node["Node Type"])).not.toContain("Seq Scan");
    expect(
      scans.filter((node) => indexScans.includes(node["Node Type"])).map((node) => node["Index Name"]),
    ).toEqual([expect.stringMatching(/^idx_wishlist_user_/)]);
    expect(nodes[0]?.["Actual Rows"]).toBeGreaterThan(0);
  });
});

/** Where one index begins with the columns of another, either may answer. */
const answering: Readonly<Record<string, RegExp>> = {
  "by user": /^idx_wishlist_user_/,
  "by user in sort order": /^idx_wishlist_user_/,
  "user + store": /^idx_wishlist_user_store(_priority)?$/,
  "user + priority": /^idx_wishlist_user_priority$/,
  "user + store + priority": /^idx_wishlist_user_store_priority$/,
};

// Where a person's items lie together, reading all of them and trying each is as cheap; scattered, it is not.
test.each(wishlistQueries)(
  "with items stored mixed, $name has an index that knows all its columns",
  async (query) => {
    const { sql } = await createFilledDatabase("mixed");
    const nodes = await explain(sql, query);
    expect(nodes.flatMap((node) => node.Filter ?? [])).toEqual([]);
    expect(nodes.flatMap((node) => node["Index Name"] ?? [])).toEqual([
      expect.stringMatching(answering[query.name] ?? /never/),
    ]);
  },
);

// Reading all of a person's few items, the planner may as well sort them afterwards; for a page of them it must not.
test("the first page of a person's items in sort order comes from the index without being sorted", async () => {
  const { sql } = await createFilledDatabase("mixed");
  const inSortOrder = wishlistQueries.find(({ name }) => name === "by user in sort order");
  const nodes = inSortOrder === undefined ? [] : await explain(sql, inSortOrder, "LIMIT 5");
  expect(nodes.map((node) => [node["Node Type"], node["Index Name"]])).toEqual([
    ["Limit", undefined],
    ["Index Scan", "idx_wishlist_user_sort"],
  ]);
});

test("no planner switch is turned off", async () => {
  const { sql } = await createFilledDatabase("mixed");
  const off = await sql`SELECT name FROM pg_settings WHERE name LIKE 'enable\\_%' AND setting <> boot_val`;
  expect([...off]).toEqual([]);
});

async function createFilledDatabase(order: "by user" | "mixed") {
  const database = await createMigratedDatabase();
  await fillWishlist(database.sql, count, users, order);
  return database;
}

async function explain(sql: Sql, query: WishlistQuery, limit = ""): Promise<PlanNode[]> {
  const { sql: text, params } = query.build(userName(17));
  const rows = await sql.unsafe<{ "QUERY PLAN": [{ Plan: PlanNode }] }[]>(
    `EXPLAIN (ANALYZE, FORMAT JSON) ${text} ${limit}`,
    params as string[],
  );
  return rows.flatMap((row) => flatten(row["QUERY PLAN"][0].Plan));
}

const flatten = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(flatten)];
