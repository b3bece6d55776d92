-- Drops the links between MOCs and the gallery; both ends stay.
DROP TABLE "moc_gallery_images";--> statement-breakpoint
DROP TABLE "moc_gallery_albums";
