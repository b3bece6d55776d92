-- Takes publishing off the MOCs: slugs, states and dates of publication are lost, the MOCs stay.
ALTER TABLE "moc_instructions" DROP CONSTRAINT "moc_instructions_published_check";--> statement-breakpoint
ALTER TABLE "moc_instructions" DROP CONSTRAINT "moc_instructions_visibility_check";--> statement-breakpoint
ALTER TABLE "moc_instructions" DROP CONSTRAINT "moc_instructions_status_check";--> statement-breakpoint
ALTER TABLE "moc_instructions" DROP CONSTRAINT "moc_instructions_user_slug_unique";--> statement-breakpoint
DROP INDEX "idx_moc_instructions_listed";--> statement-breakpoint
ALTER TABLE "moc_instructions" DROP COLUMN "featured";--> statement-breakpoint
ALTER TABLE "moc_instructions" DROP COLUMN "published_at";--> statement-breakpoint
ALTER TABLE "moc_instructions" DROP COLUMN "visibility";--> statement-breakpoint
ALTER TABLE "moc_instructions" DROP COLUMN "status";--> statement-breakpoint
ALTER TABLE "moc_instructions" DROP COLUMN "slug";
