CREATE TABLE "moc_instructions" (
	"id" integer PRIMARY KEY,
	"title" text NOT NULL,
	"pdf_url" text
);
