ALTER TABLE "sets" ADD COLUMN "archived_at" timestamp;
--> statement-breakpoint
ALTER TABLE "brands" ADD COLUMN "archived_at" timestamp;
--> statement-breakpoint
ALTER TABLE "wishlist_items" ADD COLUMN "archived_at" timestamp;
