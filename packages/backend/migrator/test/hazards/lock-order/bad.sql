ALTER TABLE "users" ADD COLUMN "born" date;
--> statement-breakpoint
ALTER TABLE "orders" ADD COLUMN "sent_at" timestamp with time zone;
