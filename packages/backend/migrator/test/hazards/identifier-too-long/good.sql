CREATE INDEX "drafts_by_title_idx" ON "drafts" ("user_id", "title");
