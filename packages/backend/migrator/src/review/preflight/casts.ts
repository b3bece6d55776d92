import { cutBytes, expressionOf, type Node, type Part, placeOf, stringsOf, tokensOf } from "./syntax.ts";

/** One `ALTER COLUMN … TYPE` as it is written. */
export interface Conversion {
  readonly column: string;
  /** The new type, as it is written. */
  readonly type: string;
  /** The expression after USING. */
  readonly using: string | undefined;
}

/** The columns that an ALTER TABLE gives another type. */
export function conversionsOf({ type, node, sql }: Part): readonly Conversion[] {
  if (type !== "AlterTableStmt") return [];
  const commands = ((node.cmds ?? []) as readonly Node[]).map((one) => one.AlterTableCmd as Node);
  return commands.flatMap(({ subtype, name, def }) => {
    const definition = (def as Node | undefined)?.ColumnDef as Node | undefined;
    if (subtype !== "AT_AlterColumnType" || definition === undefined) return [];
    const start = Number((definition.typeName as Node).location ?? 0);
    const tokens = tokensOf(sql).filter((token) => token.start >= start);
    // A comma at the same depth begins the next command.
    const end = tokens.find(({ text, depth }) => (text === "," || text === ";") && depth === 0)?.start;
    const using = tokens.find(
      (token) => token.text.toLowerCase() === "using" && token.depth === 0 && token.start < (end ?? Infinity),
    );
    const collate = tokens.find(({ text, depth }) => text.toLowerCase() === "collate" && depth === 0)?.start;
    return [
      {
        column: String(name),
        type: cutBytes(
          sql,
          start,
          Math.min(using?.start ?? Infinity, collate ?? Infinity, end ?? Infinity),
        ).trim(),
        using: using && definition.raw_default ? cutBytes(sql, using.end, end).trim() : undefined,
      },
    ];
  });
}

/** An expression without the casts around it: `c` of `(c::text)::mood`. @returns also the types, outermost first */
export function withoutCasts(sql: string): {
  readonly inner: string;
  readonly types: readonly (readonly string[])[];
} {
  const bare = withoutParentheses(sql.trim());
  const cast = expressionOf(bare)?.TypeCast as Node | undefined;
  const argument = cast && argumentOf(bare, placeOf(cast));
  if (!cast || argument === undefined) return { inner: bare, types: [] };
  const { inner, types } = withoutCasts(argument);
  return { inner, types: [stringsOf((cast.typeName as Node).names), ...types] };
}

/** Of `x::T` and of `CAST(x AS T)`; the place of `T 'x'` tells neither. */
function argumentOf(sql: string, place: number): string | undefined {
  const tokens = tokensOf(sql);
  const at = tokens.findIndex(({ start }) => start === place);
  if (tokens[at]?.text === "::") return cutBytes(sql, 0, place);
  const [word, open] = tokens.slice(at, at + 2);
  if (word?.text.toLowerCase() !== "cast" || open?.text !== "(") return undefined;
  const as = tokens.find(
    ({ text, depth, start }) => text.toLowerCase() === "as" && depth === 1 && start > open.start,
  );
  return as && cutBytes(sql, open.end, as.start);
}

function withoutParentheses(sql: string): string {
  const tokens = tokensOf(sql);
  const closed = tokens.findIndex(({ text, depth }) => text === ")" && depth === 0);
  const isWrapped = tokens[0]?.text === "(" && closed === tokens.length - 1;
  return isWrapped
    ? withoutParentheses(cutBytes(sql, tokens[0]?.end ?? 0, tokens[closed]?.start).trim())
    : sql;
}
