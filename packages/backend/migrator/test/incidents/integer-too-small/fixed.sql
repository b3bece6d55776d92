ALTER TABLE "sets" ALTER COLUMN "minifigs" SET DATA TYPE smallint;
