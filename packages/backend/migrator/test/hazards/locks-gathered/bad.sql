ALTER TABLE "users" ADD COLUMN "born" date;
--> statement-breakpoint
ALTER TABLE "payments" ADD COLUMN "paid_at" timestamp with time zone;
