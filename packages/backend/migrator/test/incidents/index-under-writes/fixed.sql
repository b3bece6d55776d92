CREATE INDEX CONCURRENTLY idx_sets_user_title ON public.sets USING btree (user_id, title);
