CREATE UNIQUE INDEX CONCURRENTLY "users_email_key" ON "users" ("email");
--> statement-breakpoint
DROP INDEX CONCURRENTLY "users_email_idx";
