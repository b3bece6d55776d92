import { keywords } from "./keywords.ts";
import type { Script } from "./read.ts";
import type { Statement } from "./statements.ts";

/** Functions that reach beyond the database of whoever calls them, as parts of a regular expression. */
const FUNCTIONS = [
  ...[
    "pg_(?:terminate|cancel)_backend",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_promote",
    "pg_switch_wal",
  ],
  ...["lo_import", "lo_export", "dblink\\w*"],
];

const REACHING = keywords(...FUNCTIONS);

/** Words of which one stands in every statement that reaches beyond its database. */
const SUSPICIOUS = keywords(
  ...["role", "user", "group", "system", "database", "tablespace", "subscription", "authorization", "copy"],
  ...FUNCTIONS,
);

/** What a block of code says that reaches beyond its database. */
const REACHES =
  /\b(create|alter|drop)\s+(role|user(?!\s+mapping)|group|database|tablespace|subscription)\b|\balter\s+system\b|\bprogram\b/i;

/** Whether the text of a DO block or of a call speaks of what lies beyond its database: nobody sees what it does before it runs. */
export function mayReachBeyond(type: string, sql: string): boolean {
  return type === "DoStmt" && (REACHES.test(sql) || REACHING.test(sql));
}

/**
 * A file without what reaches beyond its database (roles, ALTER SYSTEM, other databases, tablespaces, subscriptions): run
 * on a scratch database, that would happen to the whole server, and a second time.
 */
export async function withoutClusterWide(script: Script): Promise<Script> {
  if (!script.statements.some(({ sql }) => SUSPICIOUS.test(sql))) return script;
  const { keepCommands } = await import("./parse.ts");
  const statements: Statement[] = [];
  for (const statement of script.statements) {
    statements.push(...(await keepCommands(statement, (type, node) => !isClusterWide(type, node))));
  }
  return { ...script, statements };
}

/** Words of which one stands in every statement that names a role. */
const NAMES_ROLES = keywords(
  ...["role", "user", "group", "policy", "grant", "revoke", "owner", "owned", "authorization", "privileges"],
);

/** Names of the roles that files make, or speak of. */
export async function rolesIn(scripts: readonly Script[]): Promise<readonly string[]> {
  const statements = scripts
    .flatMap((script) => script.statements)
    .filter(({ sql }) => NAMES_ROLES.test(sql));
  if (statements.length === 0) return [];
  const { roleNamesOf } = await import("./parse.ts");
  return [...new Set((await Promise.all(statements.map(({ sql }) => roleNamesOf(sql)))).flat())].sort();
}

const CLUSTER_WIDE = new Set([
  ...["CreateRoleStmt", "AlterRoleStmt", "AlterRoleSetStmt", "DropRoleStmt", "GrantRoleStmt"],
  ...["CreatedbStmt", "AlterDatabaseStmt", "AlterDatabaseSetStmt", "DropdbStmt", "AlterSystemStmt"],
  ...["CreateTableSpaceStmt", "AlterTableSpaceOptionsStmt", "DropTableSpaceStmt"],
  ...["CreateSubscriptionStmt", "AlterSubscriptionStmt", "DropSubscriptionStmt"],
]);

const CLUSTER_WIDE_NAMES = new Set([
  "OBJECT_ROLE",
  "OBJECT_DATABASE",
  "OBJECT_TABLESPACE",
  "OBJECT_SUBSCRIPTION",
]);

function isClusterWide(type: string, node: Readonly<Record<string, unknown>>): boolean {
  // ALTER … RENAME, COMMENT ON and GRANT on any of them.
  const kind = node.renameType ?? node.objectType ?? node.objtype;
  if (CLUSTER_WIDE.has(type) || CLUSTER_WIDE_NAMES.has(String(kind))) return true;
  // To a file of the server, or through a program.
  if (type === "CopyStmt")
    return node.is_program === true || (node.is_from !== true && node.filename !== undefined);
  return callsBeyond(node);
}

function callsBeyond(node: unknown): boolean {
  if (node === null || typeof node !== "object") return false;
  const { FuncCall: call } = node as { readonly FuncCall?: { readonly funcname: readonly object[] } };
  return (
    (call !== undefined && REACHING.test(JSON.stringify(call.funcname.at(-1)).replaceAll('"', " "))) ||
    Object.values(node).some(callsBeyond)
  );
}
