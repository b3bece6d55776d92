ALTER TYPE "order_state" ADD VALUE 'returned';
-- in the next migration:
ALTER TABLE "orders" ALTER COLUMN "state" SET DEFAULT 'returned';
