-- Drops the gallery: flags, images and albums, with every row.
-- Albums and images reference each other, so one of the two foreign keys goes first.
DROP TABLE "gallery_flags";--> statement-breakpoint
ALTER TABLE "gallery_albums" DROP CONSTRAINT "gallery_albums_cover_image_id_gallery_images_id_fk";--> statement-breakpoint
DROP TABLE "gallery_images";--> statement-breakpoint
DROP TABLE "gallery_albums";
