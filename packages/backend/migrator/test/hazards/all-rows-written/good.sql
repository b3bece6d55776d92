UPDATE "payments" SET "amount" = 0 WHERE "id" BETWEEN 1 AND 1000;
