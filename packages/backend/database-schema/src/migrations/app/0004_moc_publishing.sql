ALTER TABLE "moc_instructions" ADD COLUMN "slug" text;--> statement-breakpoint
ALTER TABLE "moc_instructions" ADD COLUMN "status" text DEFAULT 'draft' NOT NULL;--> statement-breakpoint
ALTER TABLE "moc_instructions" ADD COLUMN "visibility" text DEFAULT 'private' NOT NULL;--> statement-breakpoint
ALTER TABLE "moc_instructions" ADD COLUMN "published_at" timestamp;--> statement-breakpoint
ALTER TABLE "moc_instructions" ADD COLUMN "featured" boolean DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX "idx_moc_instructions_listed" ON "moc_instructions" USING btree ("published_at") WHERE "moc_instructions"."status" = 'published' AND "moc_instructions"."visibility" = 'public';--> statement-breakpoint
ALTER TABLE "moc_instructions" ADD CONSTRAINT "moc_instructions_user_slug_unique" UNIQUE("user_id","slug");--> statement-breakpoint
ALTER TABLE "moc_instructions" ADD CONSTRAINT "moc_instructions_status_check" CHECK ("moc_instructions"."status" IN ('draft', 'published', 'archived'));--> statement-breakpoint
ALTER TABLE "moc_instructions" ADD CONSTRAINT "moc_instructions_visibility_check" CHECK ("moc_instructions"."visibility" IN ('private', 'unlisted', 'public'));--> statement-breakpoint
ALTER TABLE "moc_instructions" ADD CONSTRAINT "moc_instructions_published_check" CHECK ("moc_instructions"."status" <> 'published' OR ("moc_instructions"."slug" IS NOT NULL AND "moc_instructions"."published_at" IS NOT NULL));