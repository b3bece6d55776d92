import { sql } from "drizzle-orm";
import { text, timestamp, uuid } from "drizzle-orm/pg-core";

/** Primary key made by PostgreSQL, so that rows written by hand and by SQL get one too. */
export const id = () => uuid("id").primaryKey().defaultRandom();

/** Owner of the row: the identity provider's subject. There is no users table to reference. */
export const userId = () => text("user_id").notNull();

/**
 * When the row was made and last changed, in UTC: `timestamp` has no zone, so every session must run in UTC
 * (`createDatabase` sees to that). PostgreSQL sets both on insert, Drizzle sets `updated_at` on every update.
 */
export const timestamps = () => ({
  createdAt: timestamp("created_at").notNull().defaultNow(),
  updatedAt: timestamp("updated_at")
    .notNull()
    .defaultNow()
    .$onUpdate(() => sql`now()`),
});

/** A condition that lets only the given values into a text column: `column IN ('a', 'b')`. */
export const isOneOf = (column: Parameters<typeof sql>[1], values: readonly string[]) =>
  sql`${column} IN (${sql.raw(values.map((value) => `'${value}'`).join(", "))})`;
