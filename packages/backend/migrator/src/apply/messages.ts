import { BatchFailure, type BatchText, type Rows } from "../database/batch.ts";
import type { Database } from "../database/connect.ts";
import { piecesOf } from "../folder/pieces.ts";
import { type NumberedStatement, withoutComments } from "../folder/statements.ts";
import { explain, type Step } from "./step-failures.ts";

/** Whether steps go in one message with what begins and ends their transaction: then others can be sent before it is answered. */
export function isOneMessage(steps: readonly Step[]): boolean {
  const own: Step = { sql: "" };
  return messagesOf([own, ...steps, own]).length === 1;
}

/** Characters of files' SQL in one message: PostgreSQL parses all of it before it runs any. */
const MOST_TEXT = 100_000;

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
 * @param mark a setting that is set when the first of them has run
 * @param onDone called for each while the server's answers are read
 * @returns the rows of each that is not of a file
 * @throws MigratorError
 */
export async function send(
  database: Database,
  steps: readonly Step[],
  mark: string,
  onDone: (step: Step) => void,
): Promise<readonly Rows[]> {
  const texts = steps.flatMap(textsOf);
  const hear = (text: Text | undefined) => text?.isLast && onDone(text.step);
  try {
    const rows = await database.sql.batch(texts, mark, (index) => hear(texts[index]));
    hear(texts.at(-1));
    return rows.filter((_, index) => texts[index]?.isLast);
  } catch (error) {
    if (!(error instanceof BatchFailure)) throw error;
    const text = texts[error.index];
    throw explain(text?.step ?? { sql: "" }, error.cause, database, text && positionIn(text, error.position));
  }
}

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
