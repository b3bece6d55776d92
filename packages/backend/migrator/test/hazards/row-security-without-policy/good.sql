ALTER TABLE "payments" ENABLE ROW LEVEL SECURITY;
--> statement-breakpoint
CREATE POLICY "payments_readable" ON "payments" FOR SELECT USING (true);
