CREATE TABLE "sets" (
	"id" integer PRIMARY KEY,
	"title" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "brands" (
	"name" text PRIMARY KEY
);
--> statement-breakpoint
CREATE TABLE "wishlist_items" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	"set_id" integer NOT NULL,
	"notes" text,
	CONSTRAINT "wishlist_items_set_id_sets_id_fk" FOREIGN KEY ("set_id") REFERENCES "public"."sets"("id")
);
