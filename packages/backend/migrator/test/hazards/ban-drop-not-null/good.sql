CREATE TABLE "refunds" ("id" integer PRIMARY KEY, "amount" integer NOT NULL);
--> statement-breakpoint
ALTER TABLE "refunds" ALTER COLUMN "amount" DROP NOT NULL;
