ALTER TABLE "users" ADD COLUMN "born" date;
-- in the next migration:
ALTER TABLE "payments" ADD COLUMN "paid_at" timestamp with time zone;
