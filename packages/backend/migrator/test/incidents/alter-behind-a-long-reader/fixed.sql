-- Rather come back later than make a queue: the runner tries again.
SET LOCAL lock_timeout = '100ms';
--> statement-breakpoint
ALTER TABLE "sets" ADD COLUMN "retired" boolean DEFAULT false NOT NULL;
