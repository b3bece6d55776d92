ALTER TABLE "payments" RENAME TO "charges";
--> statement-breakpoint
CREATE VIEW "payments" AS SELECT * FROM "charges";
