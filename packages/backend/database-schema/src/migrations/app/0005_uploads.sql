CREATE TABLE "upload_session_files" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"session_id" uuid NOT NULL,
	"user_id" text NOT NULL,
	"status" text DEFAULT 'pending' NOT NULL,
	"file_name" text NOT NULL,
	"mime_type" text NOT NULL,
	"size_bytes" bigint NOT NULL,
	"storage_key" text NOT NULL,
	"storage_upload_id" text,
	"created_at" timestamp DEFAULT now() NOT NULL,
	"updated_at" timestamp DEFAULT now() NOT NULL,
	CONSTRAINT "upload_session_files_session_key_unique" UNIQUE("session_id","storage_key"),
	CONSTRAINT "upload_session_files_status_check" CHECK ("upload_session_files"."status" IN ('pending', 'uploading', 'completed', 'failed')),
	CONSTRAINT "upload_session_files_size_check" CHECK ("upload_session_files"."size_bytes" >= 0)
);
--> statement-breakpoint
CREATE TABLE "upload_session_parts" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"file_id" uuid NOT NULL,
	"user_id" text NOT NULL,
	"part_number" integer NOT NULL,
	"size_bytes" integer NOT NULL,
	"etag" text NOT NULL,
	"created_at" timestamp DEFAULT now() NOT NULL,
	"updated_at" timestamp DEFAULT now() NOT NULL,
	CONSTRAINT "upload_session_parts_file_part_unique" UNIQUE("file_id","part_number"),
	CONSTRAINT "upload_session_parts_number_check" CHECK ("upload_session_parts"."part_number" BETWEEN 1 AND 10000),
	CONSTRAINT "upload_session_parts_size_check" CHECK ("upload_session_parts"."size_bytes" > 0)
);
--> statement-breakpoint
CREATE TABLE "upload_sessions" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"user_id" text NOT NULL,
	"status" text DEFAULT 'open' NOT NULL,
	"part_size_bytes" integer NOT NULL,
	"expires_at" timestamp NOT NULL,
	"completed_at" timestamp,
	"created_at" timestamp DEFAULT now() NOT NULL,
	"updated_at" timestamp DEFAULT now() NOT NULL,
	CONSTRAINT "upload_sessions_status_check" CHECK ("upload_sessions"."status" IN ('open', 'completed', 'cancelled', 'expired')),
	CONSTRAINT "upload_sessions_part_size_check" CHECK ("upload_sessions"."part_size_bytes" > 0)
);
--> statement-breakpoint
CREATE TABLE "user_daily_uploads" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"user_id" text NOT NULL,
	"day" date NOT NULL,
	"file_count" integer DEFAULT 0 NOT NULL,
	"total_bytes" bigint DEFAULT 0 NOT NULL,
	"created_at" timestamp DEFAULT now() NOT NULL,
	"updated_at" timestamp DEFAULT now() NOT NULL,
	CONSTRAINT "user_daily_uploads_user_day_unique" UNIQUE("user_id","day"),
	CONSTRAINT "user_daily_uploads_amount_check" CHECK ("user_daily_uploads"."file_count" >= 0 AND "user_daily_uploads"."total_bytes" >= 0)
);
--> statement-breakpoint
ALTER TABLE "upload_session_files" ADD CONSTRAINT "upload_session_files_session_id_upload_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."upload_sessions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "upload_session_parts" ADD CONSTRAINT "upload_session_parts_file_id_upload_session_files_id_fk" FOREIGN KEY ("file_id") REFERENCES "public"."upload_session_files"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idx_upload_session_files_user_id" ON "upload_session_files" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "idx_upload_session_parts_user_id" ON "upload_session_parts" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "idx_upload_sessions_user_created" ON "upload_sessions" USING btree ("user_id","created_at");--> statement-breakpoint
CREATE INDEX "idx_upload_sessions_open_expiry" ON "upload_sessions" USING btree ("expires_at") WHERE "upload_sessions"."status" = 'open';--> statement-breakpoint
ALTER TABLE "moc_files" ADD CONSTRAINT "moc_files_upload_session_id_upload_sessions_id_fk" FOREIGN KEY ("upload_session_id") REFERENCES "public"."upload_sessions"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idx_moc_files_upload_session_id" ON "moc_files" USING btree ("upload_session_id");