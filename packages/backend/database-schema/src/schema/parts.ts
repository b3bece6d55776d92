import { sql } from "drizzle-orm";
import { boolean, check, index, integer, numeric, pgTable, text, unique, uuid } from "drizzle-orm/pg-core";
import { id, timestamps, userId } from "./columns.ts";
import { mocFiles, mocInstructions } from "./moc-instructions.ts";

/** Parts lists of a MOC: what it takes to build it once. */
export const mocPartsLists = pgTable(
  "moc_parts_lists",
  {
    id: id(),
    mocId: uuid("moc_id")
      .notNull()
      .references(() => mocInstructions.id, { onDelete: "cascade" }),
    userId: userId(),
    /** File the list was read from; the list stays when the file goes. */
    fileId: uuid("file_id").references(() => mocFiles.id, { onDelete: "set null" }),
    title: text("title").notNull(),
    notes: text("notes"),
    /** True once the owner has built the MOC with this list. */
    built: boolean("built").notNull().default(false),
    /** True once every part of the list has been bought. */
    purchased: boolean("purchased").notNull().default(false),
    /** US dollars. */
    estimatedCost: numeric("estimated_cost", { precision: 10, scale: 2 }),
    /** US dollars. */
    actualCost: numeric("actual_cost", { precision: 10, scale: 2 }),
    ...timestamps(),
  },
  (table) => [
    index("idx_moc_parts_lists_moc_id").on(table.mocId),
    index("idx_moc_parts_lists_file_id").on(table.fileId),
    index("idx_moc_parts_lists_user_built").on(table.userId, table.built),
    check("moc_parts_lists_cost_check", sql`${table.estimatedCost} >= 0 AND ${table.actualCost} >= 0`),
  ],
);

/** Lines of a parts list: so many of one part in one colour. */
export const mocParts = pgTable(
  "moc_parts",
  {
    id: id(),
    partsListId: uuid("parts_list_id")
      .notNull()
      .references(() => mocPartsLists.id, { onDelete: "cascade" }),
    userId: userId(),
    /** Design number as BrickLink writes it ("3001", "973pb0001c01"). */
    partNumber: text("part_number").notNull(),
    name: text("name"),
    /** BrickLink's colour name; "Any" where the colour does not matter. */
    color: text("color").notNull(),
    quantity: integer("quantity").notNull(),
    /** US dollars for one piece. */
    unitPrice: numeric("unit_price", { precision: 10, scale: 2 }),
    ...timestamps(),
  },
  (table) => [
    unique("moc_parts_list_part_color_unique").on(table.partsListId, table.partNumber, table.color),
    index("idx_moc_parts_user_part").on(table.userId, table.partNumber),
    check("moc_parts_quantity_check", sql`${table.quantity} > 0`),
    check("moc_parts_unit_price_check", sql`${table.unitPrice} >= 0`),
  ],
);

/** A parts list as read from the database. */
export type MocPartsList = typeof mocPartsLists.$inferSelect;
/** What an insert of a parts list takes. */
export type NewMocPartsList = typeof mocPartsLists.$inferInsert;
/** A line of a parts list as read from the database. */
export type MocPart = typeof mocParts.$inferSelect;
/** What an insert of a line of a parts list takes. */
export type NewMocPart = typeof mocParts.$inferInsert;
