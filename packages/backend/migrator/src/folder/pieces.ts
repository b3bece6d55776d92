/**
 * The commands in a text, each up to its semicolon; together they are the text. A text without a command is one piece.
 *
 * Only a text that has pieces means the same with other SQL around it in one message. It has none where a quote, a comment or a
 * bracket is open at its end, or may be by some setting of the server, and where it changes how the server reads what follows.
 */
export function piecesOf(sql: string): readonly string[] | undefined {
  const pieces: string[] = [];
  let start = 0;
  let depth = 0;
  let isCommand = false;
  if (CHANGES_READING.test(sql)) return undefined;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < sql.length) {
    const [token] = TOKEN.exec(sql) ?? [];
    if (token === undefined) return undefined;
    if (token === "(") depth++;
    // In a rule's actions, say.
    if (token === ";" && depth > 0) return undefined;
    if (token === ")" && --depth < 0) return undefined;
    // A function's body with semicolons of its own.
    if (token.length === 6 && token.toLowerCase() === "atomic") return undefined;
    if (token === ";" && isCommand) {
      pieces.push(sql.slice(start, TOKEN.lastIndex));
      start = TOKEN.lastIndex;
      isCommand = false;
    } else if (token !== ";" && !BLANK.test(token)) isCommand = true;
  }
  if (depth > 0) return undefined;
  // What is no command goes with the last one.
  const last = isCommand ? "" : (pieces.pop() ?? "");
  return [...pieces, last + sql.slice(start)];
}

/** Settings by which PostgreSQL reads a message, of which it asks once for all of it. */
const CHANGES_READING =
  /client_encoding|standard_conforming_strings|backslash_quote|\bset\s[\w\s]*\bnames\b/i;

const BLANK = /^(?:\s|--|\/\*)/;

/** What PostgreSQL's lexer takes as one, or a part of it. */
const TOKEN = new RegExp(
  [
    String.raw`[ \t\n\r\f\v]+`,
    // A `$` in a name opens no string.
    String.raw`[A-Za-z_\x80-\uffff][\w$\x80-\uffff]*`,
    String.raw`\d[\w.]*(?![\w$.])`,
    // With a backslash, where it ends may depend on settings.
    String.raw`'[^'\\]*'`,
    `"[^"]*"`,
    String.raw`--[^\n\r]*`,
    // Those within others are left to PostgreSQL.
    String.raw`\/\*(?:[^*/]|\*(?!\/)|\/(?!\*))*\*\/`,
    String.raw`\$([A-Za-z_\x80-\uffff][\w\x80-\uffff]*)?\$[^]*?\$\1\$`,
    String.raw`\$\d+(?![\w$])`,
    "[();]",
    String.raw`[-+*<>=~!@#%^&|\x60?,:.[\]]|\/(?!\*)`,
  ].join("|"),
  "y",
);
