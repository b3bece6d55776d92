/** Rows of a result. */
export type Rows = readonly Readonly<Record<string, unknown>>[];

/** One of several texts that are sent as one message. */
export interface BatchText {
  /** SQL that means the same whatever stands around it: no quote, comment or bracket is left open. */
  readonly sql: string;
  /** Whether the rows of its last command that has any are wanted. */
  readonly keepsRows: boolean;
}

export interface BatchOptions {
  /** Name of a setting that is set already: to show it is the cheapest thing that answers with a row. */
  readonly mark: string;
  /** SQL comment at the very beginning. */
  readonly title: string;
  /** Whether PostgreSQL counts positions in bytes, as it does where it knows no encoding (SQL_ASCII). */
  readonly countsBytes: boolean;
}

/** What of a batch failed: the texts before it have been run, those behind it have not. */
export class BatchFailure extends Error {
  /** Undefined where the server could not read the message, or was not willing to: nothing of it has been run. */
  readonly index: number | undefined;
  /** 1-based, in characters of that text; undefined where PostgreSQL points to none. */
  readonly position: number | undefined;
  /** Of the texts that have been run. */
  readonly rows: readonly Rows[];

  constructor(cause: unknown, { index, position, rows }: Pick<BatchFailure, "index" | "position" | "rows">) {
    super("a batch failed", { cause });
    this.index = index;
    this.position = position;
    this.rows = rows;
  }
}

/** Several texts as one message. PostgreSQL answers as they run; marks before and between them tell how far it has come. */
export interface Batch {
  readonly message: string;
  /** Takes a row of the answer. @param result the same for all rows of one command */
  hear(row: Rows[number], result: object): void;
  /** Once the answer is complete: the rows of each text. */
  rows(): readonly Rows[];
  /** Once it has failed. */
  failure(cause: unknown): BatchFailure;
}

export function createBatch(texts: readonly BatchText[], { mark, title, countsBytes }: BatchOptions): Batch {
  const first = `${title}show ${mark};\n`;
  const between = `\n;show ${mark};\n`;
  const done: Rows[] = [];
  let begun = false;
  let rows: Rows[number][] = [];
  let command: object | undefined;
  const hearMark = () => {
    if (begun) done.push(rows);
    begun = true;
    rows = [];
    command = undefined;
  };
  return {
    message: first + texts.map(({ sql }) => sql).join(between),
    hear(row, result) {
      if (mark in row) return hearMark();
      if (texts[done.length]?.keepsRows !== true) return;
      if (result !== command) rows = [];
      command = result;
      rows.push(row);
    },
    rows: () => [...done, rows],
    failure(cause) {
      if (!begun) return new BatchFailure(cause, { index: undefined, position: undefined, rows: [] });
      const index = done.length;
      const before =
        first +
        texts
          .slice(0, index)
          .map(({ sql }) => sql + between)
          .join("");
      const position = positionIn(texts[index]?.sql ?? "", before, positionOf(cause), countsBytes);
      return new BatchFailure(cause, { index, position, rows: done });
    },
  };
}

/** A position in a message as one in a text of it. @returns undefined where it points elsewhere */
function positionIn(
  text: string,
  before: string,
  position: number | undefined,
  countsBytes: boolean,
): number | undefined {
  if (position === undefined) return undefined;
  const own = position - (countsBytes ? Buffer.byteLength(before) : lengthOf(before));
  if (own < 1) return undefined;
  const inCharacters = countsBytes ? lengthOf(Buffer.from(text).toString("utf8", 0, own - 1)) + 1 : own;
  return inCharacters <= lengthOf(text) + 1 ? inCharacters : undefined;
}

/** As PostgreSQL counts: a character outside of the first plane is one. */
export function lengthOf(text: string): number {
  return Array.from(text).length;
}

/** Where an error points to in the SQL that was sent, 1-based. */
export function positionOf(cause: unknown): number | undefined {
  const { position } = (cause ?? {}) as { position?: unknown };
  return Number(position) || undefined;
}
