CREATE TABLE "moc_files" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"moc_id" uuid NOT NULL,
	"user_id" text NOT NULL,
	"kind" text NOT NULL,
	"file_name" text NOT NULL,
	"mime_type" text NOT NULL,
	"size_bytes" bigint NOT NULL,
	"storage_key" text NOT NULL,
	"upload_session_id" uuid,
	"deleted_at" timestamp,
	"created_at" timestamp DEFAULT now() NOT NULL,
	"updated_at" timestamp DEFAULT now() NOT NULL,
	CONSTRAINT "moc_files_moc_storage_unique" UNIQUE("moc_id","storage_key"),
	CONSTRAINT "moc_files_kind_check" CHECK ("moc_files"."kind" IN ('instructions', 'parts-list', 'thumbnail', 'photo')),
	CONSTRAINT "moc_files_size_check" CHECK ("moc_files"."size_bytes" >= 0)
);
--> statement-breakpoint
CREATE TABLE "moc_instructions" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"user_id" text NOT NULL,
	"title" text NOT NULL,
	"description" text,
	"designer_name" text,
	"base_set_number" text,
	"theme" text,
	"difficulty" integer,
	"piece_count" integer,
	"tags" text[] DEFAULT '{}'::text[] NOT NULL,
	"source_links" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"created_at" timestamp DEFAULT now() NOT NULL,
	"updated_at" timestamp DEFAULT now() NOT NULL,
	CONSTRAINT "moc_instructions_difficulty_check" CHECK ("moc_instructions"."difficulty" BETWEEN 1 AND 5),
	CONSTRAINT "moc_instructions_piece_count_check" CHECK ("moc_instructions"."piece_count" >= 0)
);
--> statement-breakpoint
ALTER TABLE "moc_files" ADD CONSTRAINT "moc_files_moc_id_moc_instructions_id_fk" FOREIGN KEY ("moc_id") REFERENCES "public"."moc_instructions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idx_moc_files_user_id" ON "moc_files" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "idx_moc_files_moc_kind" ON "moc_files" USING btree ("moc_id","kind") WHERE "moc_files"."deleted_at" IS NULL;--> statement-breakpoint
CREATE INDEX "idx_moc_files_deleted" ON "moc_files" USING btree ("deleted_at") WHERE "moc_files"."deleted_at" IS NOT NULL;--> statement-breakpoint
CREATE INDEX "idx_moc_instructions_user_created" ON "moc_instructions" USING btree ("user_id","created_at");--> statement-breakpoint
CREATE INDEX "idx_moc_instructions_tags" ON "moc_instructions" USING gin ("tags");