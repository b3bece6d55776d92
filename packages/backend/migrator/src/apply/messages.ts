import { BatchFailure, type BatchOptions, type BatchText, positionOf, type Rows } from "../database/batch.ts";
import type { Database } from "../database/connect.ts";
import { isServerError } from "../database/failures.ts";
import { piecesOf } from "../folder/pieces.ts";
import { type NumberedStatement, withoutComments } from "../folder/statements.ts";
import { explain, type Step, StepFailure, unread } from "./step-failures.ts";

/** Whether steps go in one message with what begins and ends their transaction: then others can be sent before it is answered. */
export function isOneMessage(steps: readonly Step[]): boolean {
  const own: Step = { sql: "" };
  return messagesOf([own, ...steps, own]).length === 1;
}

/**
 * Characters of files' SQL in one message. PostgreSQL parses all of it before it runs any, and an event trigger that logs
 * `current_query()` gets all of it for each command.
 */
const MOST_TEXT = 32_000;

/** What of the steps goes together. */
export function messagesOf(steps: readonly Step[]): readonly (readonly Step[])[] {
  const messages: Step[][] = [];
  let room = 0;
  let open: Step[] | undefined;
  for (const step of steps) {
    const closed = known(step) !== undefined;
    const size = step.source ? step.sql.length : 0;
    if (open === undefined || !closed || size > room) {
      open = [];
      messages.push(open);
      room = MOST_TEXT;
    }
    open.push(step);
    room -= size;
    if (!closed) open = undefined;
  }
  return messages;
}

const pieces = new WeakMap<NumberedStatement, readonly string[] | undefined>();

/** What a step is made of, where it can be sent together with others. */
function known({ sql, source }: Step): readonly string[] | undefined {
  if (source?.statement === undefined) return [sql];
  if (!pieces.has(source.statement))
    // What fills a message alone need not be looked through.
    pieces.set(source.statement, sql.length <= MOST_TEXT ? piecesOf(sql) : undefined);
  return pieces.get(source.statement);
}

/**
 * Sends steps as one message.
 * @param onFailed called while the server's answers are read
 * @returns the rows of each, none for those of a file
 * @throws StepFailure
 */
export async function send(
  database: Database,
  steps: readonly Step[],
  options: Pick<BatchOptions, "mark" | "title">,
  onFailed: () => void,
): Promise<readonly Rows[]> {
  const texts = steps.flatMap(textsOf);
  const ofSteps = (rows: readonly Rows[]) => rows.filter((_, index) => texts[index]?.isLast);
  try {
    return ofSteps(await database.sql.batch(texts, options, onFailed));
  } catch (error) {
    if (!(error instanceof BatchFailure)) throw error;
    const { index, position, rows, cause } = error;
    const text = index === undefined ? undefined : texts[index];
    if (text === undefined) throw await whatIsUnread(database, steps, cause);
    const place = { position: positionIn(text, position) };
    throw new StepFailure(text.step, ofSteps(rows), explain(text.step, cause, database, place));
  }
}

/**
 * Before it runs any of a message, PostgreSQL parses all of it, and does not always say where it stopped. Each statement
 * is shown to it alone, behind a command that fails before it could run.
 */
async function whatIsUnread(
  database: Database,
  steps: readonly Step[],
  cause: unknown,
): Promise<StepFailure> {
  const first = steps[0] ?? { sql: "" };
  const ofFile = steps.filter(({ source }) => source !== undefined);
  const isUnread = isServerError(cause) && ![FAILED_TRANSACTION, CANCELLED].includes(cause.code);
  if (isUnread) {
    for (const step of ofFile) {
      if (step.source?.statement === undefined) continue;
      const failure = await database.sql.unsafe(FAILS + step.sql).catch((error: unknown) => error);
      if (!isServerError(failure) || failure.code === CANCELLED) break;
      if (READ.includes(failure.code)) continue;
      const position = positionOf(failure);
      const place = { position: position === undefined ? undefined : position - FAILS.length };
      return new StepFailure(step, [], explain(step, failure, database, place));
    }
  }
  const script = ofFile[0]?.source?.script;
  return new StepFailure(
    first,
    [],
    isUnread && script ? unread(script, cause) : explain(first, cause, database),
  );
}

const FAILS = "select 1/0;\n";

const FAILED_TRANSACTION = "25P02";
const CANCELLED = "57014";

/** What a server says of that behind `FAILS` once it has read it; the second where a migration sent behind has failed since. */
const READ = ["22012", FAILED_TRANSACTION];

/** A step, or a command of one, as it is sent. */
interface Text extends BatchText {
  readonly step: Step;
  /** What of the step's SQL stands before it. */
  readonly before: string;
  /** Whether nothing of the step stands behind it. */
  readonly isLast: boolean;
}

function textsOf(step: Step): readonly Text[] {
  const all = known(step) ?? [step.sql];
  let before = "";
  return all.map((sql, index) => {
    const text = {
      sql,
      step,
      before,
      isLast: index === all.length - 1,
      keepsRows: step.source === undefined,
    };
    before += sql;
    return text;
  });
}

/** Where in its step a text has failed. Where PostgreSQL does not point to a place, that is the begin of the command. */
function positionIn({ before, sql }: Text, position: number | undefined): number | undefined {
  if (position === undefined && before === "") return undefined;
  const blank = sql.slice(0, sql.length - withoutComments(sql).length);
  return Array.from(before).length + (position ?? Array.from(blank).length + 1);
}
