ALTER TABLE "events_2026" ADD CONSTRAINT "events_2026_day" CHECK ("day" >= '2026-01-01' AND "day" < '2027-01-01') NOT VALID;
-- in the next migration:
ALTER TABLE "events_2026" VALIDATE CONSTRAINT "events_2026_day";
-- in the next migration:
ALTER TABLE "events" ATTACH PARTITION "events_2026" FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
