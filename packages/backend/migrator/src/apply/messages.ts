import {
  BatchFailure,
  type BatchOptions,
  type BatchText,
  lengthOf,
  positionOf,
  type Rows,
} from "../database/batch.ts";
import type { Database } from "../database/connect.ts";
import { CANCELLED, isServerError } from "../database/failures.ts";
import { piecesOf } from "../folder/pieces.ts";
import { type NumberedStatement, withoutComments } from "../folder/statements.ts";
import { explain, type Step, StepFailure, unread } from "./step-failures.ts";

/** A step, or a command of one, as it is sent. */
interface Text extends BatchText {
  readonly step: Step;
  /** What of the step's SQL stands before it. */
  readonly before: string;
  /** Whether nothing of the step stands behind it. */
  readonly isLast: boolean;
  /** Whether it can be sent together with others. */
  readonly joins: boolean;
}

/** What is sent at once. */
export type Message = readonly Text[];

/** Whether steps go in one message with what begins and ends their transaction: then others can be sent before it is answered. */
export function isOneMessage(database: Database, steps: readonly Step[]): boolean {
  const own: Step = { sql: "" };
  return messagesOf(database, [own, ...steps, own]).length === 1;
}

/**
 * Characters of files' SQL in one message. PostgreSQL parses all of it before it runs any, and an event trigger that logs
 * `current_query()` gets all of it for each command.
 */
const MOST_TEXT = 32_000;

/** What of the steps goes together. */
export function messagesOf(database: Database, steps: readonly Step[]): readonly Message[] {
  const messages: Text[][] = [];
  let room = 0;
  let open: Text[] | undefined;
  for (const text of steps.flatMap((step) => textsOf(step, database.sql.standardStrings))) {
    const size = text.step.source ? text.sql.length : 0;
    if (open === undefined || !text.joins || size > room) {
      open = [];
      messages.push(open);
      room = MOST_TEXT;
    }
    open.push(text);
    room -= size;
    if (!text.joins) open = undefined;
  }
  return messages;
}

function textsOf(step: Step, standardStrings: boolean): readonly Text[] {
  const pieces = piecesOfStep(step, standardStrings);
  const all = pieces ?? [step.sql];
  let before = "";
  return all.map((sql, index) => {
    const isLast = index === all.length - 1;
    const text = {
      sql,
      step,
      before,
      isLast,
      joins: pieces !== undefined,
      keepsRows: step.source === undefined,
    };
    before += sql;
    return text;
  });
}

const known = new WeakMap<NumberedStatement, readonly string[] | undefined>();

function piecesOfStep({ sql, source }: Step, standardStrings: boolean): readonly string[] | undefined {
  if (source?.statement === undefined) return [sql];
  if (!known.has(source.statement)) known.set(source.statement, piecesOf(sql, standardStrings));
  return known.get(source.statement);
}

/**
 * Sends steps of a transaction as one message.
 * @param onFailed called while the server's answers are read
 * @returns the rows of each step that ends in it, none for those of a file
 * @throws StepFailure
 */
export async function send(
  database: Database,
  texts: Message,
  options: Pick<BatchOptions, "mark" | "title">,
  onFailed: () => void,
): Promise<readonly Rows[]> {
  const ofSteps = (rows: readonly Rows[]) => rows.filter((_, index) => texts[index]?.isLast);
  try {
    return ofSteps(await database.sql.batch(texts, options, onFailed));
  } catch (error) {
    if (!(error instanceof BatchFailure)) throw error;
    const { index, position, rows, cause } = error;
    const text = index === undefined ? undefined : texts[index];
    if (text === undefined)
      throw await whatIsUnread(database, [...new Set(texts.map(({ step }) => step))], cause);
    const place = { position: positionIn(text, position), isSomewhere: !text.joins };
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

/** What a server says of that behind `FAILS` once it has read it; the second where a migration sent behind has failed since. */
const READ = ["22012", FAILED_TRANSACTION];

/** Where in its step a text has failed. Where PostgreSQL does not point to a place, that is the begin of the command. */
function positionIn({ before, sql }: Text, position: number | undefined): number | undefined {
  if (position === undefined && before === "") return undefined;
  const blank = sql.slice(0, sql.length - withoutComments(sql).length);
  return lengthOf(before) + (position ?? lengthOf(blank) + 1);
}
