import type { ObservedScript, ObservedStatement } from "../observed.ts";
import { type Token, tokensOf } from "./nodes.ts";

/** A comment `-- allow: <hazard-id> <reason>`. */
export interface Allowance {
  /** Empty where it names none. */
  readonly id: string;
  /** Empty where it gives none. */
  readonly reason: string;
  /** 1-based, in the file. */
  readonly line: number;
  /** For which hazards it stands: of one statement, or of all of the file. */
  readonly statements: readonly [ObservedStatement, ...ObservedStatement[]];
}

/** A statement with the bytes of its chunk that it takes, from its first word to its last. */
interface Place {
  readonly statement: ObservedStatement;
  readonly chunk: number;
  readonly from: number;
  readonly to: number;
}

/**
 * What a file's comments accept. A comment stands for the statement that it is in, behind on the same line, or above; one
 * before the first statement stands for the whole file. PostgreSQL's own scanner finds comments: in a string or in the body of
 * a function there are none.
 */
export function allowancesOf(script: ObservedScript): readonly Allowance[] {
  const chunks = script.script.statements.map(({ sql, line }) => ({ sql, line, tokens: tokensOf(sql) }));
  const places = chunks.flatMap(({ sql, tokens }, chunk) => placesIn(script, chunk, sql, tokens));
  const all = places.map(({ statement }) => statement);
  const [first, ...others] = all;
  if (first === undefined) return [];
  let begun = false;
  return chunks.flatMap(({ sql, line, tokens }, chunk) => {
    const bytes = Buffer.from(sql, "utf8");
    return tokens.flatMap((token, index): readonly Allowance[] => {
      const isWholeFile = !begun;
      begun ||= !isComment(token);
      const [, text] = (token.tokenName === "SQL_COMMENT" && MARK.exec(token.text)) || [];
      if (text === undefined) return [];
      const [, id = "", reason = ""] = /^(\S*)\s*(.*)$/s.exec(text.trim()) ?? [];
      const before = tokens.slice(0, index).findLast((other) => !isComment(other));
      const own = isWholeFile ? undefined : placeFor(places, bytes, { chunk, token, before });
      const statements = own ? ([own.statement] as const) : ([first, ...others] as const);
      return [{ id, reason, line: line + linesIn(bytes.subarray(0, token.start)), statements }];
    });
  });
}

const MARK = /^--\s*allow:(.*)$/is;

function isComment({ tokenName }: Token): boolean {
  return tokenName === "SQL_COMMENT" || tokenName === "C_COMMENT";
}

/** Where the statements of a chunk are in it; a chunk of which nothing was divided is one statement. */
function placesIn(
  { statements }: ObservedScript,
  chunk: number,
  sql: string,
  tokens: readonly Token[],
): readonly Place[] {
  const bytes = Buffer.from(sql, "utf8");
  let after = 0;
  return statements
    .filter((statement) => statement.chunk === chunk + 1)
    .flatMap((statement) => {
      const start = Math.max(bytes.indexOf(statement.sql, after, "utf8"), after);
      after = start + Buffer.byteLength(statement.sql);
      const words = tokens.filter((token) => token.start >= start && token.end <= after && !isComment(token));
      const [from, to] = [words[0]?.start, words.at(-1)?.end];
      return from === undefined || to === undefined ? [] : [{ statement, chunk, from, to }];
    });
}

function placeFor(
  places: readonly Place[],
  bytes: Buffer,
  {
    chunk,
    token,
    before,
  }: { readonly chunk: number; readonly token: Token; readonly before: Token | undefined },
): Place | undefined {
  const own = places.filter((place) => place.chunk === chunk);
  const around = own.find(({ from, to }) => from <= token.start && token.end <= to);
  const isBehind = before !== undefined && linesIn(bytes.subarray(before.end, token.start)) === 0;
  const behind = isBehind ? own.findLast(({ from }) => from <= token.start) : undefined;
  const above = places.find(
    (place) => place.chunk > chunk || (place.chunk === chunk && place.from >= token.end),
  );
  return around ?? behind ?? above ?? places.at(-1);
}

function linesIn(bytes: Buffer): number {
  return bytes.toString("utf8").split("\n").length - 1;
}
