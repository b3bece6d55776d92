ALTER TABLE "sets" ADD COLUMN "archived_at" timestamp;
-- in the next migration:
ALTER TABLE "brands" ADD COLUMN "archived_at" timestamp;
-- in the next migration:
ALTER TABLE "wishlist_items" ADD COLUMN "archived_at" timestamp;
