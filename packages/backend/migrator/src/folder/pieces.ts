/**
 * The commands in a text, each up to its semicolon; together they are the text. A text without a command is one piece.
 *
 * Only a text that has pieces means the same with other SQL around it in one message. It has none where a quote, a comment or a
 * bracket is open at its end, or may be by some setting of the server, and where it changes how the server reads what follows.
 * @param standardStrings whether a backslash in a plain string is only that (`standard_conforming_strings`)
 */
export function piecesOf(sql: string, standardStrings: boolean): readonly string[] | undefined {
  if (CHANGES_READING.test(sql)) return undefined;
  const pieces: string[] = [];
  let start = 0;
  let depth = 0;
  let isCommand = false;
  for (let at = 0; at < sql.length; ) {
    const end = endOfToken(sql, at, standardStrings);
    if (end === undefined) return undefined;
    const first = sql[at];
    if (first === "(") depth++;
    else if (first === ")" && --depth < 0) return undefined;
    // In a rule's actions, say; and in a function's body.
    else if (first === ";" && depth > 0) return undefined;
    else if (end - at === ATOMIC.length && sql.slice(at, end).toLowerCase() === ATOMIC) return undefined;
    if (first === ";" && isCommand) {
      pieces.push(sql.slice(start, end));
      start = end;
      isCommand = false;
    } else if (first !== ";" && !isBlank(sql, at)) isCommand = true;
    at = end;
  }
  if (depth > 0) return undefined;
  // What is no command goes with the last one.
  const last = isCommand ? "" : (pieces.pop() ?? "");
  return [...pieces, last + sql.slice(start)];
}

/** Settings by which PostgreSQL reads a message, of which it asks once for all of it. */
const CHANGES_READING =
  /client_encoding|standard_conforming_strings|backslash_quote|\bset\s[\w\s]*\bnames\b/i;

const ATOMIC = "atomic";

function isBlank(sql: string, at: number): boolean {
  return " \t\n\r\f\v".includes(sql[at] ?? "") || sql.startsWith("--", at) || sql.startsWith("/*", at);
}

/** @returns undefined where what begins there does not end, or nobody knows where */
function endOfToken(sql: string, at: number, standardStrings: boolean): number | undefined {
  if (sql.startsWith("--", at)) return find(/[\n\r]|$/g, sql, at);
  if (sql.startsWith("/*", at)) return endOfComment(sql, at);
  switch (sql[at]) {
    case "'":
      return endOfString(sql, at, standardStrings);
    case '"':
      return behind(sql, '"', at + 1);
    case "$":
      return endOfDollars(sql, at);
    case "e":
    case "E":
      // A name that ends with this letter has been taken whole.
      return sql[at + 1] === "'" ? endOfEscaped(sql, at + 2) : find(OTHER, sql, at);
    default:
      return find(OTHER, sql, at);
  }
}

/** Blanks, a name (in which a `$` opens no string), a number, an operator's character or another. */
const OTHER =
  /[ \t\n\r\f\v]+|[A-Za-z_\x80-\uffff][\w$\x80-\uffff]*|\d[\w.]*(?![\w$.])|[-+*<>=~!@#%^&|`?,:.[\]();]|\/(?!\*)/y;

function find(pattern: RegExp, sql: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(sql) ? pattern.lastIndex : undefined;
}

function behind(sql: string, text: string, from: number): number | undefined {
  const at = sql.indexOf(text, from);
  return at < 0 ? undefined : at + text.length;
}

function endOfString(sql: string, at: number, standardStrings: boolean): number | undefined {
  const end = behind(sql, "'", at + 1);
  return standardStrings || !sql.slice(at, end).includes("\\") ? end : undefined;
}

function endOfEscaped(sql: string, from: number): number | undefined {
  for (let at = from; at < sql.length; at++) {
    if (sql[at] === "'") return at + 1;
    if (sql[at] === "\\") at++;
  }
  return undefined;
}

/** One may hold others. */
function endOfComment(sql: string, from: number): number | undefined {
  let depth = 0;
  let at = from;
  do {
    const opens = sql.indexOf("/*", at);
    const closes = sql.indexOf("*/", at);
    if (closes < 0) return undefined;
    const isOpening = opens >= 0 && opens < closes;
    depth += isOpening ? 1 : -1;
    at = (isOpening ? opens : closes) + 2;
  } while (depth > 0);
  return at;
}

const DOLLARS = /\$(?:[A-Za-z_\x80-\uffff][\w\x80-\uffff]*)?\$/y;
const PARAMETER = /\$\d+(?![\w$])/y;

function endOfDollars(sql: string, at: number): number | undefined {
  const opened = find(DOLLARS, sql, at);
  return opened === undefined ? find(PARAMETER, sql, at) : behind(sql, sql.slice(at, opened), opened);
}
