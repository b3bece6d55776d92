ALTER TABLE "orders" ALTER COLUMN "total" SET DATA TYPE bigint;
