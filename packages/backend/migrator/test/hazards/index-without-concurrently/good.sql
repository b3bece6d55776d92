CREATE INDEX CONCURRENTLY "payments_order_idx" ON "payments" ("order_id");
