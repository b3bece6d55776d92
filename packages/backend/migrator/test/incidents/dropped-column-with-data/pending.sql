CREATE TABLE "moc_files" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	"moc_id" integer NOT NULL,
	"storage_key" text NOT NULL
);
--> statement-breakpoint
ALTER TABLE "moc_instructions" DROP COLUMN "pdf_url";
