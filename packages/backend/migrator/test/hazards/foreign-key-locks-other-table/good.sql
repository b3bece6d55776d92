CREATE TABLE "invoices" ("id" integer PRIMARY KEY, "draft_id" integer REFERENCES "drafts" ("id"));
--> statement-breakpoint
CREATE INDEX "invoices_draft_idx" ON "invoices" ("draft_id");
