import { sql } from "drizzle-orm";
import { check, index, integer, jsonb, pgEnum, pgTable, text, timestamp } from "drizzle-orm/pg-core";
import { id, timestamps, userId } from "./columns.ts";

/** Shops a wish can come from, in the order PostgreSQL sorts them; everything else is "Other". */
export const WISHLIST_STORES = ["LEGO", "Barweer", "Cata", "BrickLink", "Other"] as const;
/** A shop a wish can come from. */
export type WishlistStore = (typeof WISHLIST_STORES)[number];

/** Currencies a price can be in (ISO 4217). */
export const WISHLIST_CURRENCIES = ["USD", "EUR", "GBP", "CAD", "AUD"] as const;
/** A currency a price can be in. */
export type WishlistCurrency = (typeof WISHLIST_CURRENCIES)[number];

/** PostgreSQL's enum of the shops. */
export const wishlistStore = pgEnum("wishlist_store", WISHLIST_STORES);

/** PostgreSQL's enum of the currencies. */
export const wishlistCurrency = pgEnum("wishlist_currency", WISHLIST_CURRENCIES);

/** Sets a collector wants to have. */
export const wishlistItems = pgTable(
  "wishlist_items",
  {
    id: id(),
    userId: userId(),
    title: text("title").notNull(),
    store: wishlistStore("store").notNull(),
    /** Number on the box with the variant ("10305-1"). */
    setNumber: text("set_number"),
    /** Page in the shop. */
    sourceUrl: text("source_url"),
    imageUrl: text("image_url"),
    /** Decimal text as the shop showed it ("849.99"), in `currency`. */
    price: text("price"),
    currency: wishlistCurrency("currency").default("USD"),
    pieceCount: integer("piece_count"),
    releaseDate: timestamp("release_date"),
    /** Free labels given by the owner. */
    tags: jsonb("tags").$type<string[]>().default([]),
    /** 0 (some day) to 5 (must have), empty when not decided. */
    priority: integer("priority").default(0),
    notes: text("notes"),
    /** Place in the owner's own order, smallest first; not unique, so that reordering needs no detour. */
    sortOrder: integer("sort_order").notNull().default(0),
    ...timestamps(),
    /** Subject of who made the row: the owner, or an import acting for them. */
    createdBy: text("created_by"),
    /** Subject of who last changed the row. */
    updatedBy: text("updated_by"),
  },
  (table) => [
    index("idx_wishlist_user_id").on(table.userId),
    index("idx_wishlist_user_sort").on(table.userId, table.sortOrder),
    index("idx_wishlist_user_store").on(table.userId, table.store),
    index("idx_wishlist_user_priority").on(table.userId, table.priority),
    index("idx_wishlist_user_store_priority").on(table.userId, table.store, table.priority),
    check("priority_range_check", sql`${table.priority} >= 0 AND ${table.priority} <= 5`),
  ],
);

/** A wishlist item as read from the database. */
export type WishlistItem = typeof wishlistItems.$inferSelect;
/** What an insert of a wishlist item takes. */
export type NewWishlistItem = typeof wishlistItems.$inferInsert;
