import { sql } from "drizzle-orm";
import {
  boolean,
  check,
  date,
  index,
  integer,
  jsonb,
  numeric,
  pgTable,
  text,
  timestamp,
  uuid,
} from "drizzle-orm/pg-core";
import { id, timestamps, userId } from "./columns.ts";

/** Official sets a collector owns, one row for each set and condition it is owned in. */
export const sets = pgTable(
  "sets",
  {
    id: id(),
    userId: userId(),
    title: text("title").notNull(),
    /** Number on the box with the variant ("10305-1"). */
    setNumber: text("set_number"),
    brand: text("brand").notNull().default("LEGO"),
    theme: text("theme"),
    pieceCount: integer("piece_count"),
    releaseDate: timestamp("release_date"),
    /** How many boxes of it. */
    quantity: integer("quantity").notNull().default(1),
    built: boolean("built").notNull().default(false),
    /** US dollars for one box, without tax and shipping. */
    purchasePrice: numeric("purchase_price", { precision: 10, scale: 2 }),
    purchaseDate: date("purchase_date"),
    /** Free labels given by the owner, searched with `tags @> ARRAY[…]`. */
    tags: text("tags").array().notNull().default(sql`'{}'::text[]`),
    /** What the set came with: box, instructions, minifigures and the like, each true or false. */
    completeness: jsonb("completeness").$type<Readonly<Record<string, boolean>>>().notNull().default({}),
    notes: text("notes"),
    ...timestamps(),
  },
  (table) => [
    index("idx_sets_user_created").on(table.userId, table.createdAt),
    index("idx_sets_user_set_number").on(table.userId, table.setNumber),
    index("idx_sets_user_unbuilt").on(table.userId).where(sql`NOT ${table.built}`),
    check("sets_piece_count_check", sql`${table.pieceCount} >= 0`),
    check("sets_quantity_check", sql`${table.quantity} > 0`),
    check("sets_purchase_price_check", sql`${table.purchasePrice} >= 0`),
  ],
);

/** Photos of a set, in the order the owner gave them. */
export const setImages = pgTable(
  "set_images",
  {
    id: id(),
    setId: uuid("set_id")
      .notNull()
      .references(() => sets.id, { onDelete: "cascade" }),
    userId: userId(),
    imageUrl: text("image_url").notNull(),
    thumbnailUrl: text("thumbnail_url"),
    /** Smallest first; not unique, so that reordering needs no detour. */
    sortOrder: integer("sort_order").notNull().default(0),
    ...timestamps(),
  },
  (table) => [
    index("idx_set_images_set_sort").on(table.setId, table.sortOrder),
    index("idx_set_images_user_id").on(table.userId),
  ],
);

/** A set as read from the database. */
export type CollectedSet = typeof sets.$inferSelect;
/** What an insert of a set takes. */
export type NewCollectedSet = typeof sets.$inferInsert;
/** A photo of a set as read from the database. */
export type SetImage = typeof setImages.$inferSelect;
/** What an insert of a photo of a set takes. */
export type NewSetImage = typeof setImages.$inferInsert;
