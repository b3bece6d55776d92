ALTER TABLE "sets" ALTER COLUMN "minifigs" SET DATA TYPE smallint;
--> statement-breakpoint
ALTER TABLE "sets" ALTER COLUMN "price_cents" SET DATA TYPE integer;
