CREATE TABLE "moc_instructions" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	"title" text NOT NULL,
	"designer_name" text
);
