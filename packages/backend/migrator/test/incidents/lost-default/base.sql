CREATE TYPE "public"."moc_status" AS ENUM('draft', 'published');
--> statement-breakpoint
CREATE TABLE "moc_instructions" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	"title" text NOT NULL,
	"status" "moc_status" DEFAULT 'draft' NOT NULL
);
