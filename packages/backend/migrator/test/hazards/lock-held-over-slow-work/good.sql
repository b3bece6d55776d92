ALTER TABLE "payments" ADD COLUMN "currency" text;
-- in the next migration:
UPDATE "payments" SET "currency" = 'EUR';
