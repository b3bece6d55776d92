CREATE INDEX IF NOT EXISTS "payments_amount_idx" ON "payments" ("amount");
