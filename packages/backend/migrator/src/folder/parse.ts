import { loadModule, parseSync } from "libpg-query";
import { countLines, type NumberedStatement, type Statement } from "./statements.ts";

/** What a lone statement does, as far as a cut run has to know. */
export type LoneKind =
  | {
      readonly type: "create-index";
      readonly index: string | undefined;
      readonly schema: string | undefined;
      readonly table: string;
    }
  | {
      readonly type: "reindex-concurrently";
      /** Undefined for a schema or a whole database. */
      readonly target: { readonly isIndex: boolean; readonly name: readonly string[] } | undefined;
    }
  | { readonly type: "drop-index"; readonly indexes: readonly (readonly string[])[] }
  | {
      readonly type: "detach-partition";
      readonly parent: readonly string[];
      readonly partition: readonly string[];
    }
  | { readonly type: "create-database" | "drop-database"; readonly database: string }
  /** A CALL, or a DO that may commit, written between a COMMIT and a BEGIN. */
  | { readonly type: "procedure" }
  | { readonly type: "other" };

/** A statement that no migration can hold. */
export interface Forbidden {
  readonly type: "forbidden";
  readonly reason: string;
  readonly fix: string;
}

/** What a command is to a run. */
export interface Command {
  readonly statement: NumberedStatement;
  /** `boundary`: a COMMIT or BEGIN that somebody wrote to get out of Drizzle's transaction. It ends a segment. */
  readonly role: "transactional" | "boundary" | Forbidden | LoneKind;
  /** For a boundary, whether it opens a transaction. */
  readonly opens?: boolean;
  /** May end transactions of its own, which PostgreSQL lets it do outside of any other: a CALL, a DO with COMMIT in it. */
  readonly mayCommit?: boolean;
  /** Those of its commands that set something for the rest of the session: SET, RESET, set_config. */
  readonly settings: readonly NumberedStatement[];
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
  const cut = cutterOf(statement);
  const commands = parsed.map((part): Command => {
    const own = cut(part);
    return {
      statement: own,
      role: roleOf(part.stmt),
      opens: opensTransaction(part.stmt),
      mayCommit: mayCommit(part.stmt),
      settings: setsSession(part.stmt) ? [own] : [],
    };
  });
  if (commands.some(({ role, mayCommit }) => role !== "transactional" || mayCommit)) return commands;
  return [{ statement, role: "transactional", settings: commands.flatMap(({ settings }) => settings) }];
}

/** Those commands of a chunk that fit, the chunk as it is where all of them do. */
export async function keepCommands(
  statement: Statement,
  fits: (type: string, node: Node) => boolean,
): Promise<readonly Statement[]> {
  await loadModule();
  const parsed = tryParse(statement.sql);
  const kept = parsed.filter(({ stmt }) => fits(...nodeOf(stmt)));
  if (kept.length === parsed.length) return [statement];
  return kept.map(cutterOf({ ...statement, number: 0 }));
}

/** A chunk's commands one by one, each with the name of its parse node; as it is where the parser does not know it. */
export async function commandsIn(
  statement: NumberedStatement,
): Promise<readonly { readonly statement: NumberedStatement; readonly type: string }[]> {
  await loadModule();
  const parsed = tryParse(statement.sql);
  const cut = cutterOf(statement);
  if (parsed.length > 1) return parsed.map((part) => ({ statement: cut(part), type: nodeOf(part.stmt)[0] }));
  const [only] = parsed;
  return [{ statement, type: only === undefined ? "" : nodeOf(only.stmt)[0] }];
}

/** Names of the roles in a text, wherever in it they stand. */
export async function roleNamesOf(sql: string): Promise<readonly string[]> {
  await loadModule();
  const names: string[] = [];
  const look = (node: unknown): void => {
    if (node === null || typeof node !== "object") return;
    if (!Array.isArray(node)) {
      const { CreateRoleStmt: made, roletype, rolename } = node as Node;
      if (made) names.push(String((made as Node).role));
      if (roletype === "ROLESPEC_CSTRING") names.push(String(rolename));
    }
    Object.values(node).forEach(look);
  };
  look(tryParse(sql));
  return names;
}

function nodeOf(stmt: Readonly<Record<string, Node>>): readonly [string, Node] {
  return Object.entries(stmt)[0] ?? ["", {}];
}

function tryParse(sql: string): readonly ParsedStatement[] {
  try {
    return (parseSync(sql) as unknown as { stmts?: readonly ParsedStatement[] }).stmts ?? [];
  } catch {
    return [];
  }
}

/** Cuts a statement's commands out of it, in their order: each line is counted once. */
function cutterOf(statement: NumberedStatement): (part: ParsedStatement) => NumberedStatement {
  const bytes = Buffer.from(statement.sql, "utf8");
  let { line } = statement;
  let counted = 0;
  return (part) => {
    const from = part.stmt_location ?? 0;
    const to = part.stmt_len === undefined ? bytes.length : from + part.stmt_len;
    for (; counted < from; counted++) if (bytes[counted] === NEWLINE) line++;
    const text = bytes.toString("utf8", from, to);
    const blank = text.slice(0, text.length - text.trimStart().length);
    return { sql: text.trim(), line: line + countLines(blank), number: statement.number };
  };
}

const NEWLINE = 10;

/** The statements that PostgreSQL's source guards with PreventInTransactionBlock, by their parse node. */
function roleOf(stmt: Readonly<Record<string, Node>>): Command["role"] {
  const [type, node] = nodeOf(stmt);
  switch (type) {
    case "TransactionStmt":
      return transactionRole(node);
    case "CopyStmt":
      return node.filename === undefined ? COPY : "transactional";
    case "IndexStmt":
      return node.concurrent === true ? createIndex(node) : "transactional";
    case "DropStmt":
      return node.concurrent === true
        ? { type: "drop-index", indexes: (node.objects as readonly Node[]).map(namesOf) }
        : "transactional";
    case "ReindexStmt":
      return isConcurrent(node) ? reindexConcurrently(node) : { type: "other" };
    case "AlterTableStmt":
      return detachPartition(node) ?? "transactional";
    case "DiscardStmt":
      // DISCARD ALL gives up the lock that the run holds.
      return node.target === "DISCARD_ALL" ? UNDOES : "transactional";
    case "VacuumStmt":
      return node.is_vacuumcmd === true ? { type: "other" } : "transactional";
    case "CreatedbStmt":
      return { type: "create-database", database: String(node.dbname) };
    case "DropdbStmt":
      return { type: "drop-database", database: String(node.dbname) };
    default:
      return LONE_NODES.has(type) ? { type: "other" } : "transactional";
  }
}

const DIVIDES = "COMMIT and BEGIN may stay, they divide the file";

const UNDOES: Forbidden = {
  type: "forbidden",
  reason: "would undo the migration, or give its transaction or its lock away",
  fix: `take it out; ${DIVIDES}`,
};

const ISOLATION: Forbidden = {
  type: "forbidden",
  reason: "asks for a transaction of a certain kind, which a migration's is not",
  fix: `write it without options; ${DIVIDES}`,
};

const COPY: Forbidden = {
  type: "forbidden",
  reason: "copies from or to the client, and a migration has no data beside its text",
  fix: "write the rows as INSERT, or load them by a script of their own",
};

/** Savepoints are harmless inside our transaction; what would undo or hand it over is not. */
function transactionRole({ kind, options }: Node): Command["role"] {
  if (["TRANS_STMT_COMMIT", "TRANS_STMT_BEGIN", "TRANS_STMT_START"].includes(String(kind)))
    return options === undefined ? "boundary" : ISOLATION;
  return ["TRANS_STMT_SAVEPOINT", "TRANS_STMT_RELEASE", "TRANS_STMT_ROLLBACK_TO"].includes(String(kind))
    ? "transactional"
    : UNDOES;
}

function opensTransaction({ TransactionStmt: node }: Readonly<Record<string, Node>>): boolean {
  return ["TRANS_STMT_BEGIN", "TRANS_STMT_START"].includes(String(node?.kind));
}

/** What a DO block does is text to the parser. */
function mayCommit({ CallStmt: call, DoStmt: block }: Readonly<Record<string, Node>>): boolean {
  return call !== undefined || /\b(commit|rollback)\b/i.test(JSON.stringify(block?.args ?? ""));
}

/** Whether a command leaves a setting, a role or a search_path to those after it, beyond its transaction. */
function setsSession(stmt: Readonly<Record<string, Node>>): boolean {
  const { VariableSetStmt: set, SelectStmt: select } = stmt;
  if (set) return set.is_local !== true && set.name !== "TRANSACTION";
  const targets = (select?.targetList ?? []) as readonly { readonly ResTarget: Node }[];
  return targets.some(({ ResTarget: { val } }) => {
    const name = (val as { FuncCall?: { funcname: readonly { String: Node }[] } }).FuncCall?.funcname.at(-1);
    return name?.String.sval === "set_config";
  });
}

/**
 * Those of which some forms may run in a transaction are here too: which ones may depends on the object (REINDEX and
 * CLUSTER of a partitioned table may not), and run alone they leave nothing that would have to be undone.
 */
const LONE_NODES = new Set([
  "ClusterStmt",
  "AlterSubscriptionStmt",
  "AlterSystemStmt",
  // ALTER DATABASE … SET TABLESPACE; its other forms may run in a transaction, but need none.
  "AlterDatabaseStmt",
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

function reindexConcurrently({ kind, relation }: Node): LoneKind {
  const isIndex = kind === "REINDEX_OBJECT_INDEX";
  const target = relation === undefined ? undefined : { isIndex, name: relationNames(relation as Node) };
  return { type: "reindex-concurrently", target };
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
