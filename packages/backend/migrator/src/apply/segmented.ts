import type { Rows } from "../database/batch.ts";
import { inlineSql } from "../database/prepared.ts";
import {
  beginSegmentSql,
  closeEmptyPartialsSql,
  completeSegmentSql,
  ELAPSED_MS,
  finishPartialSql,
  insertPartialSql,
  notePartialError,
  noteRefusalSql,
} from "../database/run-log.ts";
import { MigratorError, summaryOf } from "../errors.ts";
import type { LoneStatement, Segment } from "../folder/segments.ts";
import type { NumberedStatement } from "../folder/statements.ts";
import { type Books, durationOf, ownStep } from "./bookkeeping.ts";
import type { RunContext } from "./context.ts";
import { provenSql, runTransaction, stepsOf } from "./execute.ts";
import { type Job, recordOf } from "./job.ts";
import { readBefore, runLone } from "./lone.ts";
import { withRetries } from "./retry.ts";
import type { Step } from "./step-failures.ts";

/**
 * Runs a file that cannot be one transaction. Each transactional segment commits together with the note that it
 * stands; a lone statement is noted before and after it ran. A later run goes on at the first segment that does not stand.
 * @returns ms, as the run log adds them up
 */
export async function runInSegments(context: RunContext, job: Job, books: Books): Promise<number> {
  if (!books.keepsHistory) throw needsRunLog(job);
  const id = job.partial?.id ?? (await begin(context, job, books));
  let rows: readonly Rows[] = [];
  for (const [index, segment] of job.segments.entries()) {
    if (index < (job.partial?.completed ?? 0)) continue;
    try {
      rows = await runSegment(context, { job, id, index }, segment);
    } catch (error) {
      const said = [job.note, summaryOf(error)].filter((text) => text !== undefined).join("; ");
      await notePartialError(context.database, context.settings.ledger, id, said);
      throw error instanceof MigratorError ? withStanding(error, job, index) : error;
    }
  }
  return durationOf(rows);
}

/** A segment's place in its run. */
interface Place {
  readonly job: Job;
  /** Of the run log's row. */
  readonly id: number;
  readonly index: number;
}

async function begin(context: RunContext, job: Job, books: Books): Promise<number> {
  const record = recordOf(job, 0);
  const close = { sql: closeEmptyPartialsSql(context.settings.ledger, record) };
  const insert = { sql: insertPartialSql(context.settings.ledger, record) };
  const rows = await runTransaction(context, [...books.setUp, close, insert]);
  return Number(rows.at(-1)?.[0]?.id);
}

async function runSegment(context: RunContext, place: Place, segment: Segment): Promise<readonly Rows[]> {
  const { job } = place;
  const { tag } = job.migration;
  if (segment.transactional) {
    const steps = [
      ...job.guards,
      ...stepsOf(job.script, segment.settings),
      ...stepsOf(job.script, segment.statements),
    ];
    return withRetries(context, tag, (retries) =>
      runTransaction(context, [...steps, closing(context, place, { elapsed: ELAPSED_MS, retries })], {
        pause: job.save?.(place.index, job.guards.length),
      }),
    );
  }
  const { elapsedMs, retries } = await runNoted(context, place, segment);
  return withRetries(context, tag, (more) =>
    runTransaction(context, [
      closing(context, place, { elapsed: String(elapsedMs), retries: retries + more }),
    ]),
  );
}

/** Notes that a lone statement may run from now on, then runs it; where the server refuses it, that is noted, too. */
async function runNoted(
  context: RunContext,
  { job, id, index }: Place,
  segment: LoneStatement,
): Promise<{ readonly elapsedMs: number; readonly retries: number }> {
  const { partial, script, migration } = job;
  const wasBegun = partial?.begun === index;
  const { ledger } = context.settings;
  const before = wasBegun ? partial.before : await readBefore(context, { script, segment });
  if (!wasBegun) await runTransaction(context, [{ sql: beginSegmentSql(ledger, id, index, before) }]);
  const started = Date.now();
  let retries = 0;
  let refused = false;
  const attempt = async (earlier: number) => {
    retries = earlier;
    refused = false;
    const onRefused = () => {
      refused = true;
    };
    await runLone(context, { script, segment, before, mayHaveRun: wasBegun || retries > 0, onRefused });
  };
  try {
    await withRetries(segment.kind.type === "procedure" ? once(context) : context, migration.tag, attempt);
  } catch (error) {
    // Else a later run would take what the server refused for done, or for begun.
    if (refused) await runTransaction(context, [{ sql: noteRefusalSql(ledger, id) }]).catch(() => undefined);
    throw error;
  }
  return { elapsedMs: Date.now() - started, retries };
}

/** What commits by itself is not tried again by itself. */
function once(context: RunContext): RunContext {
  const { settings } = context;
  return { ...context, settings: { ...settings, limits: { ...settings.limits, retries: 0 } } };
}

function closing(
  { settings }: RunContext,
  { job, id, index }: Place,
  took: { readonly elapsed: string; readonly retries: number },
): Step {
  const { ledger } = settings;
  const complete = completeSegmentSql(ledger, id, index, took);
  const proof = `select ${provenSql(ledger, "1")}`;
  if (index < job.segments.length - 1) return ownStep(job.script, proof, complete);
  return ownStep(
    job.script,
    proof,
    complete,
    inlineSql(job.inLedger),
    finishPartialSql(ledger, id, job.note),
  );
}

function withStanding(error: MigratorError, job: Job, index: number): MigratorError {
  const { code, message, details, exitCode, cause } = error;
  const fix =
    error.fix ??
    (index === 0
      ? undefined
      : `mend what stopped it, but not the file: once it has changed nobody can tell where to go on. If the file itself is wrong, undo by hand what stands and say \`migrator repair --forget ${job.migration.tag} --write\``);
  const state = standing(job, index, UNANSWERED.has(code));
  return new MigratorError({ code, message, details, exitCode, cause, fix, state });
}

/** Failures after which nobody knows how far a statement outside of a transaction came. */
const UNANSWERED = new Set(["interrupted", "connection-lost"]);

function standing(job: Job, index: number, unanswered: boolean): string {
  const { tag } = job.migration;
  const segment = job.segments[index];
  const next = firstStatement(segment);
  const goesOn = next ? `; running again goes on with statement ${next.number}, line ${next.line}` : "";
  const isOpen = unanswered && segment?.transactional === false;
  const open = isOpen
    ? ", which may stand whole or in part: that run finishes it, or clears away what it left"
    : "";
  const stands =
    index === 0 ? `nothing${isOpen ? " else" : ""}` : `${index} of the ${job.segments.length} parts`;
  return `${stands} of ${tag} ${index === 0 ? "stands yet" : "stand"}${goesOn}${open}`;
}

function firstStatement(segment: Segment | undefined): NumberedStatement | undefined {
  return segment?.transactional ? segment.statements[0] : segment?.statement;
}

function needsRunLog({ script }: Job): MigratorError {
  return new MigratorError({
    code: "permission-denied",
    message: `${script.fileName} holds statements that cannot run in a transaction, and their progress cannot be kept: this role may not write the run log, or something else has its name`,
    fix: "grant the role what it needs: SELECT, INSERT and UPDATE on the run log, or CREATE on the ledger's schema (see docs/formats.md)",
  });
}
