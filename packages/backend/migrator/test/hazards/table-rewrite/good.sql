ALTER TABLE "payments" ADD COLUMN "token" uuid;
--> statement-breakpoint
ALTER TABLE "payments" ALTER COLUMN "token" SET DEFAULT gen_random_uuid();
