import { identifier } from "../../database/sql-text.ts";
import { cutBytes, type Node, type Part, tokensOf } from "./syntax.ts";

/** A DELETE, as it can be counted before it runs. */
export interface Deletion {
  /** The table, as the text names it. */
  readonly relation: Node;
  /** SQL that counts what it deletes. @param rows SQL for the table's rows, in parentheses */
  countSql(rows: string): string;
}

/** @returns undefined for any other command, and for one with commands in it that write */
export function deletionOf({ type, node, sql }: Part): Deletion | undefined {
  if (type !== "DeleteStmt") return undefined;
  const relation = node.relation as Node;
  const alias = String((relation.alias as Node | undefined)?.aliasname ?? relation.relname);
  const tokens = tokensOf(sql).filter(({ depth }) => depth === 0);
  const at = (word: string, from = 0) =>
    tokens.find(({ text, start }) => text.toLowerCase() === word && start >= from);
  const first = at("delete");
  const using = node.usingClause ? at("using", first?.start) : undefined;
  const where = node.whereClause ? at("where", first?.start) : undefined;
  const end = (node.returningClause ? at("returning", first?.start)?.start : at(";")?.start) ?? undefined;
  const condition = where ? cutBytes(sql, where.end, end) : "true";
  const others = using ? cutBytes(sql, using.end, where?.start ?? end) : undefined;
  // What a WITH before it names may be used in the condition.
  const before = cutBytes(sql, 0, first?.start);
  return {
    relation,
    countSql: (rows) => {
      const matches = others === undefined ? condition : `exists (select from ${others} where ${condition})`;
      return `${before} select count(*)::float8 as rows from ${rows} as ${identifier(alias)} where ${matches}`;
    },
  };
}
