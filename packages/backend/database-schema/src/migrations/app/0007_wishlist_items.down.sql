-- Drops the wishlist with every item, then the two types only it used.
DROP TABLE "wishlist_items";--> statement-breakpoint
DROP TYPE "public"."wishlist_store";--> statement-breakpoint
DROP TYPE "public"."wishlist_currency";
