DROP INDEX CONCURRENTLY IF EXISTS "payments_amount_idx";
--> statement-breakpoint
CREATE INDEX CONCURRENTLY "payments_amount_idx" ON "payments" ("amount");
