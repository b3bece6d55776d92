-- Drops the sets and the rows of their photos; the photos in storage stay.
DROP TABLE "set_images";--> statement-breakpoint
DROP TABLE "sets";
