CREATE UNIQUE INDEX CONCURRENTLY "sets_user_set_number_unique" ON "sets" USING btree ("user_id","set_number");
