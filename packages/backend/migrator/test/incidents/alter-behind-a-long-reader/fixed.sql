-- Rather come back later than keep everybody waiting: the runner tries again.
SET LOCAL lock_timeout = '1s';
--> statement-breakpoint
ALTER TABLE "sets" ADD COLUMN "retired" boolean DEFAULT false NOT NULL;
