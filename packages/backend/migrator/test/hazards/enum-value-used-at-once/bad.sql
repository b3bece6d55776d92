ALTER TYPE "order_state" ADD VALUE 'returned';
--> statement-breakpoint
ALTER TABLE "orders" ALTER COLUMN "state" SET DEFAULT 'returned';
