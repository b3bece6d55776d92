import { type RunRecord, recordFailure } from "../database/run-log.ts";
import { summaryOf } from "../errors.ts";
import { type Books, closingSteps, durationOf } from "./bookkeeping.ts";
import type { RunContext } from "./context.ts";
import { runTransaction, stepsOf } from "./execute.ts";
import { explainFailure } from "./explain.ts";
import { type Job, recordOf } from "./job.ts";
import { interrupted, withRetries } from "./retry.ts";
import { runInSegments } from "./segmented.ts";

/** A migration that was run, with the server's time for it. */
export interface Ran {
  readonly tag: string;
  readonly durationMs: number;
}

/**
 * Runs jobs one after the other, each in its own transaction, and stops at the first that fails.
 * @throws MigratorError that says which of them stand
 */
export async function runJobs(
  context: RunContext,
  jobs: readonly Job[],
  books: Books,
): Promise<readonly Ran[]> {
  const done: Ran[] = [];
  for (const job of jobs) {
    // The first transaction makes ledger and run log; where it fails, it leaves not even these.
    const setUp = done.length === 0 ? books.setUp : [];
    const ran = await runJob(context, job, { ...books, setUp }).catch(async (error: unknown) => {
      throw await explainFailure(
        error,
        context,
        job,
        done.map(({ tag }) => tag),
      );
    });
    done.push(ran);
    context.on({ type: "ran", ...ran, direction: job.direction });
  }
  return done;
}

async function runJob(context: RunContext, job: Job, books: Books): Promise<Ran> {
  const { tag } = job.migration;
  if (context.signal.aborted) throw interrupted(context.signal.reason);
  context.database.onNotice = (message) => context.on({ type: "notice", tag, message });
  const durationMs = isWhole(job)
    ? await runWhole(context, job, books)
    : await runInSegments(context, job, books);
  return { tag, durationMs };
}

function isWhole({ segments, partial }: Job): boolean {
  return partial === undefined && segments.length === 1 && segments[0]?.transactional === true;
}

/** The whole file, the ledger's change and the run log's row in one transaction. */
async function runWhole(context: RunContext, job: Job, books: Books): Promise<number> {
  const { ledger } = context.settings;
  const steps = job.segments.flatMap((segment) =>
    segment.transactional ? stepsOf(job.script, segment.statements) : [],
  );
  const started = Date.now();
  let record: RunRecord = recordOf(job, 0);
  try {
    const rows = await withRetries(context, job.migration.tag, (retries) => {
      record = recordOf(job, retries);
      return runTransaction(context, [
        ...books.setUp,
        ...job.guards,
        ...steps,
        ...closingSteps(books, ledger, job.ledgerSql, record),
      ]);
    });
    return durationOf(rows);
  } catch (error) {
    const failure = { error: summaryOf(error), durationMs: Date.now() - started };
    if (books.keepsHistory && books.setUp.length === 0)
      await recordFailure(context.database, ledger, record, failure);
    throw error;
  }
}
