/** Rows of a result. */
export type Rows = readonly Readonly<Record<string, unknown>>[];

/** One of several texts that are sent as one message. */
export interface BatchText {
  /** SQL that means the same whatever stands around it: no quote, comment or bracket is left open. */
  readonly sql: string;
  /** Whether the rows of its last command are wanted. */
  readonly keepsRows: boolean;
}

/** Which of a batch's texts failed: those before it have been run, those behind it have not. */
export class BatchFailure extends Error {
  readonly index: number;
  /** 1-based, in characters of that text; undefined where PostgreSQL points to none. */
  readonly position: number | undefined;

  constructor(index: number, position: number | undefined, cause: unknown) {
    super(`text ${index + 1} of a batch failed`, { cause });
    this.index = index;
    this.position = position;
  }
}

/** Several texts as one message. PostgreSQL answers as they run; a mark between them tells how far it has come. */
export interface Batch {
  readonly message: string;
  /** Takes a row of the answer. @param result the same for all rows of one command */
  hear(row: Rows[number], result: object): void;
  /** Once the answer is complete: the rows of each text. */
  rows(): readonly Rows[];
  /** Once it has failed. */
  failure(cause: unknown): BatchFailure;
}

/**
 * @param mark name of a setting that is set before the second text: to show it is the cheapest thing that answers with a row
 * @param onDone called when a text has been run that is not the last
 */
export function createBatch(
  texts: readonly BatchText[],
  mark: string,
  onDone: (index: number) => void,
): Batch {
  const between = `\n;show ${mark};\n`;
  const done: Rows[] = [];
  let rows: Rows[number][] = [];
  let command: object | undefined;
  const end = () => {
    done.push(rows);
    rows = [];
    command = undefined;
  };
  return {
    message: texts.map(({ sql }) => sql).join(between),
    hear(row, result) {
      if (mark in row) {
        onDone(done.length);
        return end();
      }
      if (texts[done.length]?.keepsRows !== true) return;
      if (result !== command) rows = [];
      command = result;
      rows.push(row);
    },
    rows: () => [...done, rows],
    failure(cause) {
      const position = positionOf(cause);
      const starts = startsOf(texts, between);
      // Nothing of a message is run before all of it is parsed.
      const unparsed = done.length === 0 && position !== undefined;
      const index = unparsed ? starts.findLastIndex((start) => start < position) : done.length;
      const own = position === undefined ? undefined : position - (starts[index] ?? 0);
      const isIn = own !== undefined && own > 0 && own <= lengthOf(texts[index]?.sql ?? "") + 1;
      return new BatchFailure(index, isIn ? own : undefined, cause);
    },
  };
}

/** Characters before each text. */
function startsOf(texts: readonly BatchText[], between: string): readonly number[] {
  let start = 0;
  return texts.map(({ sql }) => {
    const own = start;
    start += lengthOf(sql) + lengthOf(between);
    return own;
  });
}

/** As PostgreSQL counts: a character outside of the first plane is one. */
function lengthOf(text: string): number {
  return Array.from(text).length;
}

function positionOf(cause: unknown): number | undefined {
  const { position } = (cause ?? {}) as { position?: unknown };
  return Number(position) || undefined;
}
