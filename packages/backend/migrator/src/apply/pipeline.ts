import { setImmediate } from "node:timers/promises";
import type { Rows } from "../database/batch.ts";
import type { Database } from "../database/connect.ts";
import { createPreparer, inlineSql, isUnprepared } from "../database/prepared.ts";
import { type Books, closingOf, ownStep } from "./bookkeeping.ts";
import type { RunContext } from "./context.ts";
import { freshSession, runTransaction, stepsOf } from "./execute.ts";
import { type Job, recordOf } from "./job.ts";
import { isOneMessage } from "./messages.ts";
import { StepFailure } from "./step-failures.ts";

/** How many migrations may be under way at once, each no more than one message: enough to keep a far server busy. */
const MOST_AHEAD = 16;

/** From how many migrations on our own statements are prepared: of 200 small ones that saves a seventh of the server's time. */
const MANY = 10;

/**
 * Sends migrations without waiting for those before them, so that the server is not idle for a round trip after each.
 * Every transaction is still one migration's alone; it fails at its start unless the ledger says that its predecessor stands.
 */
export interface Pipeline {
  /**
   * One attempt at a job, sent now unless it is under way already; those after it go out behind it. When it fails, all
   * behind it have failed too and left nothing.
   */
  attempt(index: number, retries: number): Promise<readonly Rows[]>;
  isUnderWay(index: number): boolean;
  /** After a failed attempt: the jobs that were under way behind it. */
  readonly fallen: readonly Job[];
  close(): void;
}

/** Whether a file can be one transaction, with the ledger's change and the run log's row in it. */
export function isWhole({ segments, partial }: Job): boolean {
  return partial === undefined && segments.length === 1 && segments[0]?.transactional === true;
}

export function createPipeline(context: RunContext, jobs: readonly Job[], books: Books): Pipeline {
  const { database, on, settings, signal } = context;
  const preparer = createPreparer(database.sql, freshSession(database));
  if (jobs.length < MANY) preparer.giveUp();
  const underWay = new Map<number, Promise<readonly Rows[]>>();
  let fallen: readonly Job[] = [];
  // Whose NOTICEs the server sends now; those of jobs that nobody has asked for yet are told when somebody does.
  let speaker: number | undefined = 0;
  let asked = 0;
  const early = new Map<number, string[]>();
  const tell = (index: number, message: string) => {
    const tag = jobs[index]?.migration.tag;
    if (tag !== undefined) on({ type: "notice", tag, message });
  };
  const hear = (message: string) => {
    // What PostgreSQL says of those behind one that has failed, which it parses only, it says again when they run.
    if (speaker === undefined) return;
    if (speaker <= asked) tell(speaker, message);
    else early.set(speaker, [...(early.get(speaker) ?? []), message]);
  };
  const send = (index: number, job: Job, retries: number) => {
    // Nothing can be prepared before ledger and run log are there.
    const ask = index === 0 ? inlineSql : preparer.sqlOf;
    const closing = ownStep(
      job.script,
      ask(closingOf(books, settings.ledger, job.inLedger, recordOf(job, retries))),
    );
    // The first transaction makes them; where it fails, it leaves not even these.
    const first = [...(index === 0 ? books.setUp : []), ...job.guards];
    const rows = runTransaction(context, [...first, ...stepsOfWhole(job), closing], {
      onlyIf: jobs[index - 1]?.done.test,
      ask,
      awaitDisk: job.direction === "down" || index === jobs.length - 1,
      pause: job.save?.(0, first.length),
      onBegin: () => {
        speaker = index;
      },
      onFailed: () => {
        speaker = undefined;
      },
    });
    rows.catch(() => undefined);
    underWay.set(index, rows);
    return rows;
  };
  const sendAhead = (from: number) => {
    for (let index = from; index < from + MOST_AHEAD && !signal.aborted; index++) {
      if (underWay.has(index)) continue;
      const job = jobs[index];
      if (job === undefined || !isWhole(job) || !leavesRoom(database, job)) return;
      send(index, job, 0);
    }
  };
  return {
    close: () => preparer.close(),
    isUnderWay: (index) => underWay.has(index),
    get fallen() {
      return fallen;
    },
    async attempt(index, retries) {
      const job = jobs[index];
      if (job === undefined) throw new RangeError(`there is no job ${index}`);
      fallen = [];
      database.onNotice = hear;
      asked = index;
      for (const message of early.get(index) ?? []) tell(index, message);
      early.delete(index);
      const isNew = !underWay.has(index);
      const rows = underWay.get(index) ?? send(index, job, retries);
      // The driver writes it in a moment: the server need not wait until those behind it are put together.
      if (isNew) await setImmediate();
      if (leavesRoom(database, job)) sendAhead(index + 1);
      try {
        return await rows;
      } catch (error) {
        fallen = [...underWay.keys()].filter((key) => key !== index).flatMap((key) => jobs[key] ?? []);
        await Promise.allSettled(underWay.values());
        underWay.clear();
        // What the server has said of those behind it, it says again when they run.
        early.clear();
        await preparer.settle();
        const isOurs = error instanceof StepFailure && error.step.source === undefined;
        if (!preparer.isUsed || !isOurs || !isUnprepared(error.cause)) throw error;
        // What the file did is undone; it may forget what it likes, but not us.
        preparer.giveUp();
        return await this.attempt(index, retries);
      } finally {
        underWay.delete(index);
      }
    },
  };
}

/** Whether others can be sent behind it: not into the middle of a transaction that pauses, or takes several messages. */
function leavesRoom(database: Database, job: Job): boolean {
  return job.save === undefined && isOneMessage(database, stepsOfWhole(job));
}

function stepsOfWhole({ script, segments }: Job) {
  return segments.flatMap((segment) => (segment.transactional ? stepsOf(script, segment.statements) : []));
}
