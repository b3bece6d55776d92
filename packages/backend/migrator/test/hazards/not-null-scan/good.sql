ALTER TABLE "payments" ADD CONSTRAINT "payments_order_id_not_null" CHECK ("order_id" IS NOT NULL) NOT VALID;
-- in the next migration:
ALTER TABLE "payments" VALIDATE CONSTRAINT "payments_order_id_not_null";
--> statement-breakpoint
ALTER TABLE "payments" ALTER COLUMN "order_id" SET NOT NULL;
--> statement-breakpoint
ALTER TABLE "payments" DROP CONSTRAINT "payments_order_id_not_null";
