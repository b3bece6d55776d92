CREATE TABLE "set_images" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"set_id" uuid NOT NULL,
	"user_id" text NOT NULL,
	"image_url" text NOT NULL,
	"thumbnail_url" text,
	"sort_order" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp DEFAULT now() NOT NULL,
	"updated_at" timestamp DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "sets" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"user_id" text NOT NULL,
	"title" text NOT NULL,
	"set_number" text,
	"brand" text DEFAULT 'LEGO' NOT NULL,
	"theme" text,
	"piece_count" integer,
	"release_date" timestamp,
	"quantity" integer DEFAULT 1 NOT NULL,
	"built" boolean DEFAULT false NOT NULL,
	"purchase_price" numeric(10, 2),
	"purchase_date" date,
	"tags" text[] DEFAULT '{}'::text[] NOT NULL,
	"completeness" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"notes" text,
	"created_at" timestamp DEFAULT now() NOT NULL,
	"updated_at" timestamp DEFAULT now() NOT NULL,
	CONSTRAINT "sets_piece_count_check" CHECK ("sets"."piece_count" >= 0),
	CONSTRAINT "sets_quantity_check" CHECK ("sets"."quantity" > 0),
	CONSTRAINT "sets_purchase_price_check" CHECK ("sets"."purchase_price" >= 0)
);
--> statement-breakpoint
ALTER TABLE "set_images" ADD CONSTRAINT "set_images_set_id_sets_id_fk" FOREIGN KEY ("set_id") REFERENCES "public"."sets"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idx_set_images_set_sort" ON "set_images" USING btree ("set_id","sort_order");--> statement-breakpoint
CREATE INDEX "idx_set_images_user_id" ON "set_images" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "idx_sets_user_created" ON "sets" USING btree ("user_id","created_at");--> statement-breakpoint
CREATE INDEX "idx_sets_user_set_number" ON "sets" USING btree ("user_id","set_number");--> statement-breakpoint
CREATE INDEX "idx_sets_user_unbuilt" ON "sets" USING btree ("user_id") WHERE NOT "sets"."built";