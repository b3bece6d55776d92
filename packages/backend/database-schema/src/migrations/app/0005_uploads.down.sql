-- Drops the uploads and the daily counts. Files keep their rows and forget the upload they came from, as they do
-- when an upload session is deleted; otherwise the foreign key could not be added again.
DROP INDEX "idx_moc_files_upload_session_id";--> statement-breakpoint
ALTER TABLE "moc_files" DROP CONSTRAINT "moc_files_upload_session_id_upload_sessions_id_fk";--> statement-breakpoint
UPDATE "moc_files" SET "upload_session_id" = NULL WHERE "upload_session_id" IS NOT NULL;--> statement-breakpoint
DROP TABLE "user_daily_uploads";--> statement-breakpoint
DROP TABLE "upload_session_parts";--> statement-breakpoint
DROP TABLE "upload_session_files";--> statement-breakpoint
DROP TABLE "upload_sessions";
