ALTER TABLE "moc_instructions" ALTER COLUMN "status" DROP DEFAULT;
--> statement-breakpoint
ALTER TABLE "moc_instructions" ALTER COLUMN "status" SET DATA TYPE text;
--> statement-breakpoint
DROP TYPE "public"."moc_status";
--> statement-breakpoint
CREATE TYPE "public"."moc_status" AS ENUM('draft', 'review', 'published');
--> statement-breakpoint
ALTER TABLE "moc_instructions" ALTER COLUMN "status" SET DATA TYPE "moc_status" USING "status"::"moc_status";
--> statement-breakpoint
ALTER TABLE "moc_instructions" ALTER COLUMN "status" SET DEFAULT 'draft';
