CREATE TABLE "sets" (
	"id" integer PRIMARY KEY,
	"title" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "set_images" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	"set_id" integer NOT NULL,
	"image_url" text NOT NULL
);
