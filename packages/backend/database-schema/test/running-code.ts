import { drizzle } from "drizzle-orm/postgres-js";
import type { Sql } from "postgres";
import { wishlistItems } from "../src/index.ts";
import { WISHLIST_STORES } from "../src/schema/wishlist.ts";

/**
 * Reads, inserts and updates as a service does whose schema is the one of this package, whatever the database's has
 * become. @returns `works`, or `breaks` with PostgreSQL's code
 */
export async function runCode(sql: Sql): Promise<string> {
  try {
    await readAndWrite(sql);
    return "works";
  } catch (error) {
    const { cause } = error as { cause?: { code?: string } };
    return `breaks (${cause?.code ?? String(error)})`;
  }
}

async function readAndWrite(sql: Sql): Promise<void> {
  const db = drizzle(sql);
  await db.select().from(wishlistItems);
  for (const store of WISHLIST_STORES) {
    await db.insert(wishlistItems).values({ userId: "app", title: "Rivendell", store });
  }
  const all = { setNumber: "10316-1", price: "499.99", currency: "EUR", priority: 5, notes: "gift" } as const;
  await db.insert(wishlistItems).values({ userId: "app", title: "Rivendell", store: "LEGO", ...all });
  const nothing = { price: null, currency: null, priority: null, pieceCount: null, notes: null };
  await db.insert(wishlistItems).values({ userId: "app", title: "Rivendell", store: "Other", ...nothing });
  await db.update(wishlistItems).set({ notes: "seen", pieceCount: 6167, sortOrder: 3 });
}
