-- What for:  the wishlist (WISH-2007): sets a collector wants to have, with shop, price and priority.
-- Locks:     no existing table. Everything here is new, so its indexes are built on an empty table, in no time.
--            Run it before the code that queries wishlist_items is rolled out.
-- Undo:      pnpm db:rollback, which runs 0007_wishlist_items.down.sql. It drops the table with every item in it.

CREATE TYPE "public"."wishlist_currency" AS ENUM('USD', 'EUR', 'GBP', 'CAD', 'AUD');--> statement-breakpoint
CREATE TYPE "public"."wishlist_store" AS ENUM('LEGO', 'Barweer', 'Cata', 'BrickLink', 'Other');--> statement-breakpoint
CREATE TABLE "wishlist_items" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"user_id" text NOT NULL,
	"title" text NOT NULL,
	"store" "wishlist_store" NOT NULL,
	"set_number" text,
	"source_url" text,
	"image_url" text,
	"price" text,
	"currency" "wishlist_currency" DEFAULT 'USD',
	"piece_count" integer,
	"release_date" timestamp,
	"tags" jsonb DEFAULT '[]'::jsonb,
	"priority" integer DEFAULT 0,
	"notes" text,
	"sort_order" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp DEFAULT now() NOT NULL,
	"updated_at" timestamp DEFAULT now() NOT NULL,
	"created_by" text,
	"updated_by" text,
	CONSTRAINT "priority_range_check" CHECK ("wishlist_items"."priority" >= 0 AND "wishlist_items"."priority" <= 5)
);
--> statement-breakpoint
CREATE INDEX "idx_wishlist_user_id" ON "wishlist_items" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "idx_wishlist_user_sort" ON "wishlist_items" USING btree ("user_id","sort_order");--> statement-breakpoint
CREATE INDEX "idx_wishlist_user_store" ON "wishlist_items" USING btree ("user_id","store");--> statement-breakpoint
CREATE INDEX "idx_wishlist_user_priority" ON "wishlist_items" USING btree ("user_id","priority");--> statement-breakpoint
CREATE INDEX "idx_wishlist_user_store_priority" ON "wishlist_items" USING btree ("user_id","store","priority");