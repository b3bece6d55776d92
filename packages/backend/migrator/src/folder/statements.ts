/** One statement of a migration file (a chunk between breakpoints; it may hold several SQL commands). */
export interface Statement {
  /** As it is sent to PostgreSQL. */
  readonly sql: string;
  /** 1-based line in the file of the statement's first character. */
  readonly line: number;
}

/** A statement with its place in the file. */
export interface NumberedStatement extends Statement {
  /** 1-based; one chunk between breakpoints has one number, also where it holds several commands. */
  readonly number: number;
}

/** What Drizzle splits migration files on. */
const BREAKPOINT = "--> statement-breakpoint";

const BYTE_ORDER_MARK = "\uFEFF";

/** Splits a file as Drizzle does. Chunks without any text are left out: PostgreSQL has nothing to do there. */
export function splitStatements(sql: string): readonly Statement[] {
  // Part of the file and of its hash, but a syntax error to PostgreSQL.
  const text = sql.startsWith(BYTE_ORDER_MARK) ? sql.slice(1) : sql;
  let line = 1;
  const statements: Statement[] = [];
  for (const chunk of text.split(BREAKPOINT)) {
    const blank = chunk.length - chunk.trimStart().length;
    if (blank < chunk.length)
      statements.push({ sql: chunk.trim(), line: line + countLines(chunk.slice(0, blank)) });
    line += countLines(chunk);
  }
  return statements;
}

/** 1-based line in the file of a character position that PostgreSQL reported (1-based, in characters). */
export function lineOf(statement: Statement, position: number | undefined): number {
  if (position === undefined) return statement.line + countLines(leadingComments(statement.sql));
  return (
    statement.line +
    countLines(
      Array.from(statement.sql)
        .slice(0, position - 1)
        .join(""),
    )
  );
}

/** The text behind the comments that it begins with. */
export function withoutComments(sql: string): string {
  return sql.slice(leadingComments(sql).length);
}

function leadingComments(sql: string): string {
  return /^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*/.exec(sql)?.[0] ?? "";
}

/** How often a new line begins in it. */
export function countLines(text: string): number {
  return text.split("\n").length - 1;
}
