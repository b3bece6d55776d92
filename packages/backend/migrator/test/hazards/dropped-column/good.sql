ALTER TABLE "orders" ADD COLUMN "remark" text;
-- in the next migration:
ALTER TABLE "orders" DROP COLUMN "remark";
