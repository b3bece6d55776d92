CREATE TABLE "moc_gallery_albums" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"moc_id" uuid NOT NULL,
	"album_id" uuid NOT NULL,
	"user_id" text NOT NULL,
	"created_at" timestamp DEFAULT now() NOT NULL,
	"updated_at" timestamp DEFAULT now() NOT NULL,
	CONSTRAINT "moc_gallery_albums_moc_album_unique" UNIQUE("moc_id","album_id")
);
--> statement-breakpoint
CREATE TABLE "moc_gallery_images" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"moc_id" uuid NOT NULL,
	"image_id" uuid NOT NULL,
	"user_id" text NOT NULL,
	"created_at" timestamp DEFAULT now() NOT NULL,
	"updated_at" timestamp DEFAULT now() NOT NULL,
	CONSTRAINT "moc_gallery_images_moc_image_unique" UNIQUE("moc_id","image_id")
);
--> statement-breakpoint
ALTER TABLE "moc_gallery_albums" ADD CONSTRAINT "moc_gallery_albums_moc_id_moc_instructions_id_fk" FOREIGN KEY ("moc_id") REFERENCES "public"."moc_instructions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "moc_gallery_albums" ADD CONSTRAINT "moc_gallery_albums_album_id_gallery_albums_id_fk" FOREIGN KEY ("album_id") REFERENCES "public"."gallery_albums"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "moc_gallery_images" ADD CONSTRAINT "moc_gallery_images_moc_id_moc_instructions_id_fk" FOREIGN KEY ("moc_id") REFERENCES "public"."moc_instructions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "moc_gallery_images" ADD CONSTRAINT "moc_gallery_images_image_id_gallery_images_id_fk" FOREIGN KEY ("image_id") REFERENCES "public"."gallery_images"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idx_moc_gallery_albums_album_id" ON "moc_gallery_albums" USING btree ("album_id");--> statement-breakpoint
CREATE INDEX "idx_moc_gallery_albums_user_id" ON "moc_gallery_albums" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "idx_moc_gallery_images_image_id" ON "moc_gallery_images" USING btree ("image_id");--> statement-breakpoint
CREATE INDEX "idx_moc_gallery_images_user_id" ON "moc_gallery_images" USING btree ("user_id");