CREATE INDEX "drafts_of_one_user_by_their_title_in_the_order_of_the_alphabet_idx" ON "drafts" ("user_id", "title");
