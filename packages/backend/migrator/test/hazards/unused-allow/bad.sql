-- allow: dropped-column nobody reads it since release 41
ALTER TABLE "drafts" ADD COLUMN "subtitle" text;
