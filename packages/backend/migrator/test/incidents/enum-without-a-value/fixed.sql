CREATE TYPE "public"."wishlist_store" AS ENUM('LEGO', 'Barweer', 'BrickLink', 'Amazon');
--> statement-breakpoint
ALTER TABLE "wishlist_items" ALTER COLUMN "store" SET DATA TYPE "wishlist_store" USING "store"::"wishlist_store";
