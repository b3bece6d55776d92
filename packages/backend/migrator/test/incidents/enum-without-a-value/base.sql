CREATE TABLE "wishlist_items" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	"title" text NOT NULL,
	"store" text NOT NULL,
	"price" numeric(10, 2)
);
--> statement-breakpoint
CREATE INDEX "idx_wishlist_store" ON "wishlist_items" USING btree ("store");
