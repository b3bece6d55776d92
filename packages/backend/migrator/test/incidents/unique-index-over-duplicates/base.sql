CREATE TABLE "sets" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	"user_id" text NOT NULL,
	"set_number" text NOT NULL,
	"quantity" integer DEFAULT 1 NOT NULL
);
