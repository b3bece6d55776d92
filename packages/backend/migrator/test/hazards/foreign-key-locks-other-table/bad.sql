CREATE TABLE "invoices" ("id" integer PRIMARY KEY, "order_id" integer REFERENCES "orders" ("id"));
--> statement-breakpoint
CREATE INDEX "invoices_order_idx" ON "invoices" ("order_id");
