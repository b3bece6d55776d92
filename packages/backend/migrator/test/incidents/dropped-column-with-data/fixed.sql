CREATE TABLE "moc_files" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	"moc_id" integer NOT NULL,
	"storage_key" text NOT NULL
);
--> statement-breakpoint
INSERT INTO "moc_files" ("moc_id", "storage_key")
SELECT "id", "pdf_url" FROM "moc_instructions" WHERE "pdf_url" IS NOT NULL ORDER BY "id";
--> statement-breakpoint
-- allow: dropped-column moved to moc_files above, and no release reads it since 2.4
ALTER TABLE "moc_instructions" DROP COLUMN "pdf_url";
