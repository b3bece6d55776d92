ALTER TABLE "payments" ADD CONSTRAINT "payments_order_key" UNIQUE ("order_id");
