UPDATE "sets" SET "quantity" = "copies"."quantity"
FROM (SELECT min("id") AS "id", sum("quantity") AS "quantity" FROM "sets" GROUP BY "user_id", "set_number") AS "copies"
WHERE "sets"."id" = "copies"."id";
--> statement-breakpoint
DELETE FROM "sets" WHERE "id" NOT IN (SELECT min("id") FROM "sets" GROUP BY "user_id", "set_number");
-- in the next migration:
CREATE UNIQUE INDEX CONCURRENTLY "sets_user_set_number_unique" ON "sets" USING btree ("user_id","set_number");
