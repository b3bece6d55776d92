CREATE INDEX "idx_sets_user_title" ON "sets" USING btree ("user_id","title");
