import { index, pgTable, unique, uuid } from "drizzle-orm/pg-core";
import { id, timestamps, userId } from "./columns.ts";
import { galleryAlbums, galleryImages } from "./gallery.ts";
import { mocInstructions } from "./moc-instructions.ts";

/** Which gallery albums show a MOC; `user_id` is who linked the two. */
export const mocGalleryAlbums = pgTable(
  "moc_gallery_albums",
  {
    id: id(),
    mocId: uuid("moc_id")
      .notNull()
      .references(() => mocInstructions.id, { onDelete: "cascade" }),
    albumId: uuid("album_id")
      .notNull()
      .references(() => galleryAlbums.id, { onDelete: "cascade" }),
    userId: userId(),
    ...timestamps(),
  },
  (table) => [
    unique("moc_gallery_albums_moc_album_unique").on(table.mocId, table.albumId),
    index("idx_moc_gallery_albums_album_id").on(table.albumId),
    index("idx_moc_gallery_albums_user_id").on(table.userId),
  ],
);

/** Which gallery images show a MOC; `user_id` is who linked the two. */
export const mocGalleryImages = pgTable(
  "moc_gallery_images",
  {
    id: id(),
    mocId: uuid("moc_id")
      .notNull()
      .references(() => mocInstructions.id, { onDelete: "cascade" }),
    imageId: uuid("image_id")
      .notNull()
      .references(() => galleryImages.id, { onDelete: "cascade" }),
    userId: userId(),
    ...timestamps(),
  },
  (table) => [
    unique("moc_gallery_images_moc_image_unique").on(table.mocId, table.imageId),
    index("idx_moc_gallery_images_image_id").on(table.imageId),
    index("idx_moc_gallery_images_user_id").on(table.userId),
  ],
);

/** A link between a MOC and a gallery album as read from the database. */
export type MocGalleryAlbum = typeof mocGalleryAlbums.$inferSelect;
/** What an insert of a link between a MOC and a gallery album takes. */
export type NewMocGalleryAlbum = typeof mocGalleryAlbums.$inferInsert;
/** A link between a MOC and a gallery image as read from the database. */
export type MocGalleryImage = typeof mocGalleryImages.$inferSelect;
/** What an insert of a link between a MOC and a gallery image takes. */
export type NewMocGalleryImage = typeof mocGalleryImages.$inferInsert;
