ALTER TABLE "wishlist_items" ADD CONSTRAINT "priority_range_check" CHECK ("wishlist_items"."priority" >= 0 AND "wishlist_items"."priority" <= 5);
