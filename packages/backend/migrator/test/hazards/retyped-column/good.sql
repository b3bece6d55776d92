ALTER TABLE "users" ALTER COLUMN "nickname" SET DATA TYPE varchar(200);
