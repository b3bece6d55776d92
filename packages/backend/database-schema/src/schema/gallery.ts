import { sql } from "drizzle-orm";
import {
  type AnyPgColumn,
  bigint,
  boolean,
  check,
  index,
  integer,
  pgTable,
  text,
  timestamp,
  unique,
  uuid,
} from "drizzle-orm/pg-core";
import { id, timestamps, userId } from "./columns.ts";

/** Albums that a collector sorts gallery images into. */
export const galleryAlbums = pgTable(
  "gallery_albums",
  {
    id: id(),
    userId: userId(),
    title: text("title").notNull(),
    description: text("description"),
    /** Image shown for the album; without one the newest image stands in. */
    coverImageId: uuid("cover_image_id").references((): AnyPgColumn => galleryImages.id, {
      onDelete: "set null",
    }),
    ...timestamps(),
  },
  (table) => [
    index("idx_gallery_albums_user_created").on(table.userId, table.createdAt),
    index("idx_gallery_albums_cover_image_id").on(table.coverImageId),
  ],
);

/** Photos of sets and MOCs; the files themselves lie in object storage. */
export const galleryImages = pgTable(
  "gallery_images",
  {
    id: id(),
    userId: userId(),
    /** At most one album; an image outlives the album it was in. */
    albumId: uuid("album_id").references((): AnyPgColumn => galleryAlbums.id, { onDelete: "set null" }),
    title: text("title").notNull(),
    description: text("description"),
    imageUrl: text("image_url").notNull(),
    thumbnailUrl: text("thumbnail_url"),
    /** Free labels given by the owner, searched with `tags @> ARRAY[…]`. */
    tags: text("tags").array().notNull().default(sql`'{}'::text[]`),
    /** Pixels. */
    width: integer("width"),
    /** Pixels. */
    height: integer("height"),
    sizeBytes: bigint("size_bytes", { mode: "number" }),
    /** Hidden from everybody but the owner while a moderator looks at its flags. */
    hidden: boolean("hidden").notNull().default(false),
    ...timestamps(),
  },
  (table) => [
    index("idx_gallery_images_user_created").on(table.userId, table.createdAt),
    index("idx_gallery_images_album_id").on(table.albumId),
    index("idx_gallery_images_tags").using("gin", table.tags),
    check("gallery_images_size_check", sql`${table.sizeBytes} >= 0`),
  ],
);

/** Complaints about an image, one for each person and image; `user_id` is who complained. */
export const galleryFlags = pgTable(
  "gallery_flags",
  {
    id: id(),
    imageId: uuid("image_id")
      .notNull()
      .references(() => galleryImages.id, { onDelete: "cascade" }),
    userId: userId(),
    reason: text("reason").notNull(),
    /** Empty while no moderator has decided. */
    resolvedAt: timestamp("resolved_at"),
    /** Subject of the moderator who decided. */
    resolvedBy: text("resolved_by"),
    ...timestamps(),
  },
  (table) => [
    unique("gallery_flags_image_user_unique").on(table.imageId, table.userId),
    index("idx_gallery_flags_user_id").on(table.userId),
    // The moderators' queue: open flags are few, so the index stays small however old the table grows.
    index("idx_gallery_flags_open").on(table.createdAt).where(sql`${table.resolvedAt} IS NULL`),
  ],
);

/** A gallery album as read from the database. */
export type GalleryAlbum = typeof galleryAlbums.$inferSelect;
/** What an insert of a gallery album takes. */
export type NewGalleryAlbum = typeof galleryAlbums.$inferInsert;
/** A gallery image as read from the database. */
export type GalleryImage = typeof galleryImages.$inferSelect;
/** What an insert of a gallery image takes. */
export type NewGalleryImage = typeof galleryImages.$inferInsert;
/** A flag on a gallery image as read from the database. */
export type GalleryFlag = typeof galleryFlags.$inferSelect;
/** What an insert of a flag on a gallery image takes. */
export type NewGalleryFlag = typeof galleryFlags.$inferInsert;
