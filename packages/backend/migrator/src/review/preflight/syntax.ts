import { loadModule, parseSync, type ScanToken, scanSync } from "libpg-query";

/** A parsed command, or a part of one, as far as is looked. */
export type Node = Readonly<Record<string, unknown>>;

/** One command of a statement's text. */
export interface Part {
  /** Name of its parse node: `AlterTableStmt`. */
  readonly type: string;
  readonly node: Node;
  readonly sql: string;
}

/** The commands of a text; none where PostgreSQL's parser does not know it. */
export async function partsOf(sql: string): Promise<readonly Part[]> {
  await loadModule();
  const bytes = Buffer.from(sql, "utf8");
  return statementsOf(sql).flatMap(({ stmt_location: from = 0, stmt_len: length }) => {
    const text = bytes.subarray(from, length === undefined ? undefined : from + length).toString("utf8");
    // Parsed once more, so that places in it count from its own begin.
    const [entry] = Object.entries(statementsOf(text)[0]?.stmt ?? {});
    return entry ? [{ type: entry[0], node: entry[1], sql: text }] : [];
  });
}

interface Parsed {
  readonly stmt: Readonly<Record<string, Node>>;
  readonly stmt_location?: number;
  readonly stmt_len?: number;
}

function statementsOf(sql: string): readonly Parsed[] {
  try {
    return (parseSync(sql) as unknown as { readonly stmts?: readonly Parsed[] }).stmts ?? [];
  } catch {
    return [];
  }
}

/** Calls for each node of a tree with its name: `ColumnRef`, `TypeName` (which some fields hold bare, as `typeName`). */
export function walk(tree: unknown, visit: (name: string, node: Node) => void, name = ""): void {
  if (tree === null || typeof tree !== "object") return;
  if (Array.isArray(tree)) {
    for (const one of tree) walk(one, visit);
    return;
  }
  if (name !== "") visit(name === "typeName" ? "TypeName" : name, tree as Node);
  for (const [key, value] of Object.entries(tree)) walk(value, visit, key);
}

/** The rows that an INSERT has written out; undefined for one that asks for them. */
export function valuesOf({ selectStmt }: Node): unknown {
  return (selectStmt as { readonly SelectStmt?: Node } | undefined)?.SelectStmt?.valuesLists;
}

/** Texts of a list of String nodes: the parts of a qualified name. */
export function stringsOf(list: unknown): readonly string[] {
  return ((list ?? []) as readonly Node[]).flatMap(({ String: text }) =>
    text === undefined ? [] : [String((text as Node).sval)],
  );
}

/** A word, name or sign of SQL text, its place in bytes and how deep in parentheses it stands. */
export type Token = Pick<ScanToken, "start" | "end" | "text"> & { readonly depth: number };

/** Comments left out. */
export function tokensOf(sql: string): readonly Token[] {
  let depth = 0;
  return scanSync(sql).tokens.flatMap(({ start, end, text, tokenName }) => {
    if (/COMMENT/.test(tokenName)) return [];
    if (text === ")" || text === "]") depth--;
    const token = { start, end, text, depth };
    if (text === "(" || text === "[") depth++;
    return [token];
  });
}

/** Bytes of a text. */
export function cutBytes(sql: string, from: number, to?: number): string {
  return Buffer.from(sql, "utf8").subarray(from, to).toString("utf8");
}

const SELECT = "select ";

/** The tree of an expression, places in it counted from its begin; undefined where it is none. */
export function expressionOf(sql: string): Node | undefined {
  const [first] = statementsOf(SELECT + sql);
  const targets = first?.stmt.SelectStmt?.targetList as readonly { ResTarget: { val: Node } }[] | undefined;
  return targets?.length === 1 ? targets[0]?.ResTarget.val : undefined;
}

/** A place in an expression's tree, in bytes of its text. */
export function placeOf(node: Node): number {
  return Number(node.location ?? 0) - SELECT.length;
}

/** Names of the columns that an expression uses; `*` where it uses whole rows. */
export function columnsIn(sql: string): ReadonlySet<string> {
  const names = new Set<string>();
  walk(expressionOf(sql), (name, node) => {
    if (name === "ColumnRef") names.add(stringsOf(node.fields).at(-1) ?? "*");
    if (name === "A_Star") names.add("*");
  });
  return names;
}

/** An expression with some of its types told by others. @param other of a type's name, as it is written */
export function replaceTypes(sql: string, other: (names: readonly string[]) => string | undefined): string {
  const places: { readonly from: number; readonly to: number; readonly text: string }[] = [];
  const tokens = tokensOf(sql);
  walk(expressionOf(sql), (name, node) => {
    const names = stringsOf(node.names);
    const text = name === "TypeName" ? other(names) : undefined;
    const from = placeOf(node);
    const first = tokens.findIndex(({ start }) => start === from);
    // name, or name . name
    const last = tokens[first + 2 * (names.length - 1)];
    if (text !== undefined && first >= 0 && last) places.push({ from, to: last.end, text });
  });
  return [...places]
    .sort((one, two) => two.from - one.from)
    .reduce((now, { from, to, text }) => cutBytes(now, 0, from) + text + cutBytes(now, to), sql);
}

/** The tree of a constraint's definition, as pg_get_constraintdef tells it. */
export function parsedConstraint(definition: string): Node | undefined {
  const [first] = statementsOf(`alter table t add constraint c ${definition}`);
  const [command] = (first?.stmt.AlterTableStmt?.cmds ?? []) as readonly { readonly AlterTableCmd: Node }[];
  return (command?.AlterTableCmd.def as Node | undefined)?.Constraint as Node | undefined;
}
