ALTER TABLE "payments" ADD COLUMN "currency" text;
--> statement-breakpoint
UPDATE "payments" SET "currency" = 'EUR';
