CREATE TABLE "gallery_albums" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"user_id" text NOT NULL,
	"title" text NOT NULL,
	"description" text,
	"cover_image_id" uuid,
	"created_at" timestamp DEFAULT now() NOT NULL,
	"updated_at" timestamp DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "gallery_flags" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"image_id" uuid NOT NULL,
	"user_id" text NOT NULL,
	"reason" text NOT NULL,
	"resolved_at" timestamp,
	"resolved_by" text,
	"created_at" timestamp DEFAULT now() NOT NULL,
	"updated_at" timestamp DEFAULT now() NOT NULL,
	CONSTRAINT "gallery_flags_image_user_unique" UNIQUE("image_id","user_id")
);
--> statement-breakpoint
CREATE TABLE "gallery_images" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"user_id" text NOT NULL,
	"album_id" uuid,
	"title" text NOT NULL,
	"description" text,
	"image_url" text NOT NULL,
	"thumbnail_url" text,
	"tags" text[] DEFAULT '{}'::text[] NOT NULL,
	"width" integer,
	"height" integer,
	"size_bytes" bigint,
	"hidden" boolean DEFAULT false NOT NULL,
	"created_at" timestamp DEFAULT now() NOT NULL,
	"updated_at" timestamp DEFAULT now() NOT NULL,
	CONSTRAINT "gallery_images_size_check" CHECK ("gallery_images"."size_bytes" >= 0)
);
--> statement-breakpoint
ALTER TABLE "gallery_albums" ADD CONSTRAINT "gallery_albums_cover_image_id_gallery_images_id_fk" FOREIGN KEY ("cover_image_id") REFERENCES "public"."gallery_images"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "gallery_flags" ADD CONSTRAINT "gallery_flags_image_id_gallery_images_id_fk" FOREIGN KEY ("image_id") REFERENCES "public"."gallery_images"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "gallery_images" ADD CONSTRAINT "gallery_images_album_id_gallery_albums_id_fk" FOREIGN KEY ("album_id") REFERENCES "public"."gallery_albums"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idx_gallery_albums_user_created" ON "gallery_albums" USING btree ("user_id","created_at");--> statement-breakpoint
CREATE INDEX "idx_gallery_albums_cover_image_id" ON "gallery_albums" USING btree ("cover_image_id");--> statement-breakpoint
CREATE INDEX "idx_gallery_flags_user_id" ON "gallery_flags" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "idx_gallery_flags_open" ON "gallery_flags" USING btree ("created_at") WHERE "gallery_flags"."resolved_at" IS NULL;--> statement-breakpoint
CREATE INDEX "idx_gallery_images_user_created" ON "gallery_images" USING btree ("user_id","created_at");--> statement-breakpoint
CREATE INDEX "idx_gallery_images_album_id" ON "gallery_images" USING btree ("album_id");--> statement-breakpoint
CREATE INDEX "idx_gallery_images_tags" ON "gallery_images" USING gin ("tags");