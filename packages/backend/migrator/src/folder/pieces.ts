/**
 * The commands in a text, each up to its semicolon; together they are the text. Undefined where its end may not end what is
 * in it (a quote, a comment or a bracket that is open, or may be by some setting of the server): only where there are pieces does
 * the text mean the same with other SQL around it in one message. For the few texts that this cannot tell of, there are none. At least one otherwise.
 */
export function piecesOf(sql: string): readonly string[] | undefined {
  const pieces: string[] = [];
  let start = 0;
  let depth = 0;
  let isCommand = false;
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
  const rest = sql.slice(start);
  const last = isCommand ? undefined : pieces.pop();
  return rest === "" && last === undefined && pieces.length > 0 ? pieces : [...pieces, (last ?? "") + rest];
}

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
