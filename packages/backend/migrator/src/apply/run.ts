import { READ_WRITE, recordFailure } from "../database/run-log.ts";
import { summaryOf } from "../errors.ts";
import { type Books, durationOf } from "./bookkeeping.ts";
import type { RunContext } from "./context.ts";
import { explainFailure } from "./explain.ts";
import { type Job, recordOf } from "./job.ts";
import { createPipeline, isWhole, type Pipeline } from "./pipeline.ts";
import { interrupted, withRetries } from "./retry.ts";
import { runInSegments } from "./segmented.ts";

/** A migration that was run, with the server's time for it. */
export interface Ran {
  readonly tag: string;
  readonly durationMs: number;
}

/**
 * Runs jobs in their order, each in its own transaction, and stops at the first that fails.
 * @throws MigratorError that says which of them stand
 */
export async function runJobs(
  context: RunContext,
  jobs: readonly Job[],
  books: Books,
): Promise<readonly Ran[]> {
  const pipeline = createPipeline(context, jobs, books);
  return runInOrder({ context, books, pipeline }, jobs).finally(() => pipeline.close());
}

async function runInOrder(run: Omit<Place, "index">, jobs: readonly Job[]): Promise<readonly Ran[]> {
  const { context, pipeline } = run;
  const done: Ran[] = [];
  for (const [index, job] of jobs.entries()) {
    const { expected } = job;
    if (expected) context.on({ type: "starting", tag: job.migration.tag, expected });
    const durationMs = await runJob({ ...run, index }, job).catch(async (error: unknown) => {
      await flushCommits(context);
      throw await explainFailure(error, context, {
        done: jobs.slice(0, index),
        underWay: [job, ...pipeline.fallen],
      });
    });
    const ran = { tag: job.migration.tag, durationMs };
    done.push(ran);
    context.on({ type: "ran", ...ran, direction: job.direction, expected });
  }
  return done;
}

/**
 * The last commit of a run is waited for until it is on the disk, and with it those before. Where it does not come, this
 * sees to those that did: a transaction that writes something.
 */
async function flushCommits({ database }: RunContext): Promise<void> {
  await database.sql
    .unsafe(`${READ_WRITE}; select pg_catalog.pg_logical_emit_message(true, 'migrator', '')`)
    .catch(() => undefined);
}

/** A job's place in a run. */
interface Place {
  readonly context: RunContext;
  readonly books: Books;
  readonly pipeline: Pipeline;
  readonly index: number;
}

/** @returns ms */
async function runJob(place: Place, job: Job): Promise<number> {
  const { context, books, pipeline, index } = place;
  const { signal, database, on } = context;
  if (signal.aborted && !pipeline.isUnderWay(index)) throw interrupted(signal.reason);
  if (isWhole(job)) return runWhole(place, job);
  const { tag } = job.migration;
  database.onNotice = (message) => on({ type: "notice", tag, message });
  return runInSegments(context, job, index === 0 ? books : { ...books, setUp: [] });
}

async function runWhole({ context, books, pipeline, index }: Place, job: Job): Promise<number> {
  const started = Date.now();
  let record = recordOf(job, 0);
  try {
    const rows = await withRetries(context, job.migration.tag, (retries) => {
      record = recordOf(job, retries);
      return pipeline.attempt(index, retries);
    });
    return durationOf(rows);
  } catch (error) {
    const failure = { error: summaryOf(error), durationMs: Date.now() - started };
    // Where the first job fails, there may be no log yet.
    if (books.keepsHistory && (index > 0 || books.setUp.length === 0))
      await recordFailure(context.database, context.settings.ledger, record, failure);
    throw error;
  }
}
