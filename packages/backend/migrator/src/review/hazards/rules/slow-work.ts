import type { Index, Relation } from "../../facts.ts";
import type { HazardContext } from "../hazard.ts";
import { blockedBy } from "../locked.ts";
import { type CommandNode, namesIn, objectsIn, relationNamed } from "../nodes.ts";

/** A table in use that a statement goes through, or writes anew. */
export interface SlowWork {
  readonly table: Relation;
  /** Whether the statement's own lock keeps others out of it. */
  readonly underOwnLock: boolean;
}

/** What takes time that grows with a table: scans and rewrites as measured, and DML that reads more than a few rows. */
export function slowWorkOf(context: HazardContext): readonly SlowWork[] {
  const { statement, heat } = context;
  const dml = context.nodes.filter(({ type }) => READS_ROWS.has(type));
  const read = dml.flatMap((node) => rowsReadBy(context, node)).filter(({ oid }) => heat.isHot(oid));
  if (dml.length > 0) return read.map((table) => ({ table, underOwnLock: false }));
  const strong = new Set(blockedBy(context, statement));
  return statement.locks
    .filter(({ relation, rewrites, scans }) => (rewrites || scans) && heat.isHot(relation.oid))
    .filter(({ relation }) => ["r", "p", "m"].includes(relation.kind) && !isTruncated(context))
    .map((lock) => ({ table: lock.relation, underOwnLock: strong.has(lock) }));
}

const READS_ROWS = new Set([
  "UpdateStmt",
  "DeleteStmt",
  "MergeStmt",
  "InsertStmt",
  "SelectStmt",
  "CreateTableAsStmt",
]);

function isTruncated({ nodes }: HazardContext): boolean {
  return nodes.some(({ type }) => type === "TruncateStmt");
}

/** Tables of before the plan, without those of which a key picks the row. */
function rowsReadBy({ facts, before }: HazardContext, command: CommandNode): readonly Relation[] {
  const { relation, whereClause } = command.node;
  // What INSERT and MERGE write to is not read.
  const target = command.type === "InsertStmt" ? relation : undefined;
  const names = namesIn(command).filter(
    ({ name }) => name !== (target as { relname?: string } | undefined)?.relname,
  );
  const tables = names.flatMap((name) => {
    const found = relationNamed(facts, name);
    return (found && before.relations.get(found.oid)) ?? [];
  });
  const [first] = tables;
  if (tables.length === 1 && first && whereClause !== undefined) {
    const keys = [...facts.indexes.values()].filter(({ table, unique }) => unique && table === first.oid);
    if (keys.some((key) => isPicked(key, whereClause))) return [];
  }
  return tables;
}

/** Whether `id = 5` stands for each column of a key, and nothing is joined with OR. */
function isPicked({ keys, predicate }: Index, where: unknown): boolean {
  const objects = [...objectsIn(where)];
  if (predicate !== null || objects.some(({ boolop }) => boolop !== undefined && boolop !== "AND_EXPR"))
    return false;
  const compared = objects.flatMap(({ A_Expr: expression }) => {
    const { kind, name, lexpr, rexpr } = (expression ?? {}) as CommandNode["node"];
    const isEqual = kind === "AEXPR_OP" && [...objectsIn(name)].some(({ sval }) => sval === "=");
    const isConstant = [...objectsIn(rexpr)].every(({ ColumnRef, SubLink }) => !ColumnRef && !SubLink);
    return isEqual && isConstant ? columnOf(lexpr) : [];
  });
  return keys.length > 0 && keys.every((key) => compared.includes(key.replaceAll(/^"|"$/g, "")));
}

function columnOf(node: unknown): readonly string[] {
  const { ColumnRef: reference } = (node ?? {}) as { ColumnRef?: unknown };
  const name = [...objectsIn(reference)].flatMap(({ sval }) => (typeof sval === "string" ? sval : [])).at(-1);
  return name === undefined ? [] : [name];
}
