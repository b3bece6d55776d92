ALTER TABLE "set_images" ADD CONSTRAINT "set_images_set_id_sets_id_fk" FOREIGN KEY ("set_id") REFERENCES "public"."sets"("id") ON DELETE cascade NOT VALID;
-- in the next migration:
DELETE FROM "set_images" WHERE NOT EXISTS (SELECT FROM "sets" WHERE "sets"."id" = "set_images"."set_id");
-- in the next migration:
ALTER TABLE "set_images" VALIDATE CONSTRAINT "set_images_set_id_sets_id_fk";
