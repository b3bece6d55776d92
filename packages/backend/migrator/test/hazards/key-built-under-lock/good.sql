CREATE UNIQUE INDEX CONCURRENTLY "payments_order_key" ON "payments" ("order_id");
--> statement-breakpoint
ALTER TABLE "payments" ADD CONSTRAINT "payments_order_key" UNIQUE USING INDEX "payments_order_key";
