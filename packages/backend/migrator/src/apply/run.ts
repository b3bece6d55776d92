import type { Settings } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { lockKey } from "../database/lock.ts";
import { recordFailure } from "../database/run-log.ts";
import { messageOf } from "../errors.ts";
import type { Listener } from "../events.ts";
import type { Migration, Script } from "../folder/read.ts";
import { type Books, closingSteps, durationOf } from "./bookkeeping.ts";
import { runTransaction, type Step, stepsOf } from "./execute.ts";
import { explainFailure } from "./explain.ts";

/** One migration to run in one direction. */
export interface Job {
  readonly migration: Migration;
  readonly direction: "up" | "down";
  readonly script: Script;
  /** The up file's hash, as in the ledger. */
  readonly hash: string;
  /** What makes the ledger say so: inserts or deletes the row. */
  readonly ledgerSql: string;
  /** Steps before the file's own, which may stop it. */
  readonly guards: readonly Step[];
}

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
  database: Database,
  settings: Settings,
  jobs: readonly Job[],
  books: Books,
  on: Listener,
): Promise<readonly Ran[]> {
  const done: Ran[] = [];
  for (const job of jobs) {
    // The first transaction makes ledger and run log; where it fails, it leaves not even these.
    const setUp = done.length === 0 ? books.setUp : [];
    const ran = await runJob(database, settings, job, { ...books, setUp }, on).catch(
      async (error: unknown) => {
        const tags = done.map(({ tag }) => tag);
        throw await explainFailure(error, {
          database,
          settings,
          failed: job.migration,
          done: tags,
          direction: job.direction,
        });
      },
    );
    done.push(ran);
    on({ type: "ran", ...ran, direction: job.direction });
  }
  return done;
}

async function runJob(
  database: Database,
  settings: Settings,
  job: Job,
  books: Books,
  on: Listener,
): Promise<Ran> {
  const { tag } = job.migration;
  const run = { tag, hash: job.hash, direction: job.direction, statements: job.script.statements.length };
  const closing = closingSteps(books, settings.ledger, job.ledgerSql, run);
  database.onNotice = (message) => on({ type: "notice", tag, message });
  const started = Date.now();
  try {
    const steps = [...books.setUp, ...job.guards, ...stepsOf(job.script), ...closing];
    return { tag, durationMs: durationOf(await runTransaction(database, lockKey(settings.ledger), steps)) };
  } catch (error) {
    const failure = { ...run, error: messageOf(error), durationMs: Date.now() - started };
    if (books.keepsHistory && books.setUp.length === 0)
      await recordFailure(database, settings.ledger, failure);
    throw error;
  }
}
