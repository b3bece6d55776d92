CREATE TYPE "public"."wishlist_currency" AS ENUM('USD', 'EUR', 'GBP');
--> statement-breakpoint
ALTER TABLE "wishlist_items" RENAME COLUMN "currency" TO "old_currency";
--> statement-breakpoint
ALTER TABLE "wishlist_items" ADD COLUMN "currency" "wishlist_currency";
--> statement-breakpoint
UPDATE "wishlist_items" SET "currency" = "old_currency"::"wishlist_currency";
--> statement-breakpoint
ALTER TABLE "wishlist_items" DROP COLUMN "old_currency";
