import { createInsertSchema, createSelectSchema, createUpdateSchema } from "drizzle-zod";
import { z } from "zod";
import { wishlistItems } from "./schema/wishlist.ts";

/**
 * PostgreSQL refuses U+0000 in text. It never sees half of a surrogate pair: in text the driver writes U+FFFD
 * instead, so that the text is not read back as it was given, and in jsonb PostgreSQL refuses it.
 */
const isStorable = (value: string) => !value.includes("\0") && !/\p{Surrogate}/u.test(value);

const text = z.string().refine(isStorable, "must not contain U+0000 or half of a surrogate pair");

/** White space alone does not count as a title; around other text it is kept as it was given. */
const title = text.refine((value) => value.trim() !== "", "must not be empty");

/** OpenID Connect's limit for a subject. It also keeps the indexes' entries far under their 2,704 bytes. */
const subject = text.refine((value) => value !== "", "must not be empty").max(255);

const webAddress = z
  .url({ protocol: /^https?$/, error: "must be an http or https address" })
  .refine(isStorable, "must not contain U+0000 or half of a surrogate pair");

/** Not z.uuid(): PostgreSQL takes any 128 bits, also those that no RFC 9562 version describes. */
const uuid = z.guid();

/** What Drizzle writes in a form PostgreSQL reads, and reads back as the same moment. */
const moment = z.date().min(new Date("0100-01-01T00:00:00.000Z")).max(new Date("9999-12-31T23:59:59.999Z"));

const priority = z.int().min(0).max(5);

/** drizzle-zod adds to each rule what the column says: whether it may be null and whether it may be left out. */
const rules = {
  id: () => uuid,
  userId: () => subject,
  title: () => title,
  setNumber: () => text,
  sourceUrl: () => webAddress,
  imageUrl: () => webAddress,
  price: () => text.regex(/^\d+(\.\d{1,2})?$/, 'must be an amount such as "849.99"'),
  pieceCount: (column: z.ZodInt) => column.min(0),
  releaseDate: () => moment,
  tags: () => z.array(text),
  priority: () => priority,
  notes: () => text,
  createdAt: () => moment,
  updatedAt: () => moment,
  createdBy: () => subject,
  updatedBy: () => subject,
};

/** What may be written as a new wishlist item. PostgreSQL fills in what is left out. */
export const insertWishlistItemSchema = createInsertSchema(wishlistItems, rules);

/**
 * What may be changed on a wishlist item: every column may be left out, and what is left out stays as it is.
 * It describes the row; an API takes away what its callers must not set: `.omit({ id: true, userId: true })`.
 */
export const updateWishlistItemSchema = createUpdateSchema(wishlistItems, rules);

/**
 * A wishlist item as PostgreSQL may return it. Only the rules PostgreSQL itself keeps are in it, so that a row
 * written by other means (an import, plain SQL) can still be read.
 */
export const selectWishlistItemSchema = createSelectSchema(wishlistItems, {
  id: () => uuid,
  tags: () => z.array(z.string()),
  priority: () => priority,
});
