CREATE TABLE "import" ("id" integer);
-- in the next migration:
DROP TABLE "import";
