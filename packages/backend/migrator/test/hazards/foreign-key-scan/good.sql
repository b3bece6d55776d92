ALTER TABLE "payments" ADD CONSTRAINT "payments_order_fk" FOREIGN KEY ("order_id") REFERENCES "orders" ("id") NOT VALID;
-- in the next migration:
ALTER TABLE "payments" VALIDATE CONSTRAINT "payments_order_fk";
