ALTER TABLE "wishlist_items" ADD CONSTRAINT "priority_range_check" CHECK ("wishlist_items"."priority" >= 0 AND "wishlist_items"."priority" <= 5) NOT VALID;
-- in the next migration:
UPDATE "wishlist_items" SET "priority" = least(greatest("priority", 0), 5) WHERE "priority" NOT BETWEEN 0 AND 5;
-- in the next migration:
ALTER TABLE "wishlist_items" VALIDATE CONSTRAINT "priority_range_check";
