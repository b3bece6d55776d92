import { loadModule, parseSync } from "libpg-query";
import type { NumberedStatement } from "./statements.ts";

/** What a lone statement does, as far as a cut run has to know. */
export type LoneKind =
  | {
      readonly type: "create-index";
      readonly index: string | undefined;
      readonly schema: string | undefined;
      readonly table: string;
    }
  | {
      readonly type: "reindex";
      readonly target: { readonly isIndex: boolean; readonly name: readonly string[] } | undefined;
    }
  | { readonly type: "drop-index"; readonly indexes: readonly (readonly string[])[] }
  | {
      readonly type: "detach-partition";
      readonly parent: readonly string[];
      readonly partition: readonly string[];
    }
  | { readonly type: "other" };

/** What a command is to a run. */
export interface Command {
  readonly statement: NumberedStatement;
  /**
   * `boundary`: a COMMIT or BEGIN that somebody wrote to get out of Drizzle's transaction. It ends a segment.
   * `forbidden`: a ROLLBACK or the like, which would undo the migration behind the ledger's back.
   */
  readonly role: "transactional" | "boundary" | "forbidden" | LoneKind;
}

/** A parsed command, as far as this file looks: the node's name and its fields. */
type Node = Readonly<Record<string, unknown>>;

interface ParsedStatement {
  readonly stmt: Readonly<Record<string, Node>>;
  /** In bytes of UTF-8, as is `stmt_len`; absent for 0 and for "to the end". */
  readonly stmt_location?: number;
  readonly stmt_len?: number;
}

/**
 * The commands of one chunk. A chunk stays whole where all of it can run in a transaction; text that PostgreSQL's
 * parser does not know is left to the server, which says what is wrong with it.
 */
export async function commandsOf(statement: NumberedStatement): Promise<readonly Command[]> {
  await loadModule();
  const parsed = tryParse(statement.sql);
  const roles = parsed.map(({ stmt }) => roleOf(stmt));
  if (roles.every((role) => role === "transactional")) return [{ statement, role: "transactional" }];
  return parsed.map((part, index) => ({
    statement: cut(statement, part),
    role: roles[index] ?? "transactional",
  }));
}

function tryParse(sql: string): readonly ParsedStatement[] {
  try {
    return (parseSync(sql) as unknown as { stmts?: readonly ParsedStatement[] }).stmts ?? [];
  } catch {
    return [];
  }
}

function cut(statement: NumberedStatement, part: ParsedStatement): NumberedStatement {
  const bytes = Buffer.from(statement.sql, "utf8");
  const from = part.stmt_location ?? 0;
  const to = part.stmt_len === undefined ? bytes.length : from + part.stmt_len;
  const text = bytes.subarray(from, to).toString("utf8");
  const before =
    bytes.subarray(0, from).toString("utf8") + text.slice(0, text.length - text.trimStart().length);
  return { sql: text.trim(), line: statement.line + before.split("\n").length - 1, number: statement.number };
}

/** The statements that PostgreSQL's source guards with PreventInTransactionBlock, by their parse node. */
function roleOf(stmt: Readonly<Record<string, Node>>): Command["role"] {
  const [[type, node] = ["", {}]] = Object.entries(stmt);
  switch (type) {
    case "TransactionStmt":
      return transactionRole(String(node.kind));
    case "IndexStmt":
      return node.concurrent === true ? createIndex(node) : "transactional";
    case "DropStmt":
      return node.concurrent === true
        ? { type: "drop-index", indexes: (node.objects as readonly Node[]).map(namesOf) }
        : "transactional";
    case "ReindexStmt":
      return reindex(node) ?? "transactional";
    case "AlterTableStmt":
      return detachPartition(node) ?? "transactional";
    case "DiscardStmt":
      // DISCARD ALL gives up the lock that the run holds.
      return node.target === "DISCARD_ALL" ? "forbidden" : "transactional";
    case "AlterSubscriptionStmt":
      return String(node.kind).includes("REFRESH") ? { type: "other" } : "transactional";
    case "VacuumStmt":
      return node.is_vacuumcmd === true ? { type: "other" } : "transactional";
    case "ClusterStmt":
      return node.relation === undefined ? { type: "other" } : "transactional";
    default:
      return LONE_NODES.has(type) ? { type: "other" } : "transactional";
  }
}

/** Savepoints are harmless inside our transaction; what would undo or hand it over is not. */
function transactionRole(kind: string): Command["role"] {
  if (["TRANS_STMT_COMMIT", "TRANS_STMT_BEGIN", "TRANS_STMT_START"].includes(kind)) return "boundary";
  return ["TRANS_STMT_SAVEPOINT", "TRANS_STMT_RELEASE", "TRANS_STMT_ROLLBACK_TO"].includes(kind)
    ? "transactional"
    : "forbidden";
}

const LONE_NODES = new Set([
  "AlterSystemStmt",
  // ALTER DATABASE … SET TABLESPACE; its other forms may run in a transaction, but need none.
  "AlterDatabaseStmt",
  "CreatedbStmt",
  "DropdbStmt",
  "CreateTableSpaceStmt",
  "DropTableSpaceStmt",
  "CreateSubscriptionStmt",
  "DropSubscriptionStmt",
]);

function createIndex(node: Node): LoneKind {
  const relation = node.relation as Node;
  const schema = relation.schemaname as string | undefined;
  return {
    type: "create-index",
    index: node.idxname as string | undefined,
    schema,
    table: String(relation.relname),
  };
}

/** REINDEX SCHEMA and DATABASE run in no transaction either, concurrently or not. */
function reindex(node: Node): LoneKind | undefined {
  const target = ["REINDEX_OBJECT_INDEX", "REINDEX_OBJECT_TABLE"].includes(String(node.kind));
  if (target && !isConcurrent(node)) return undefined;
  const isIndex = node.kind === "REINDEX_OBJECT_INDEX";
  return {
    type: "reindex",
    target: target ? { isIndex, name: relationNames(node.relation as Node) } : undefined,
  };
}

function detachPartition(node: Node): LoneKind | undefined {
  const [command] = ((node.cmds ?? []) as readonly Node[]).map((cmd) => cmd.AlterTableCmd as Node);
  const partition = (command?.def as Node | undefined)?.PartitionCmd as Node | undefined;
  if (command?.subtype !== "AT_DetachPartition" || partition?.concurrent !== true) return undefined;
  return {
    type: "detach-partition",
    parent: relationNames(node.relation as Node),
    partition: relationNames(partition.name as Node),
  };
}

function relationNames(relation: Node): readonly string[] {
  return [relation.schemaname, relation.relname].filter((name) => name !== undefined).map(String);
}

function namesOf(object: Node): readonly string[] {
  const items = ((object.List as Node).items ?? []) as readonly Node[];
  return items.map((item) => String((item.String as Node).sval));
}

function isConcurrent(node: Node): boolean {
  const options = (node.params ?? []) as readonly Node[];
  return options.some((option) => (option.DefElem as Node).defname === "concurrently");
}
