-- allow: dropped-column nobody reads it since release 41
ALTER TABLE "drafts" DROP COLUMN "title";
