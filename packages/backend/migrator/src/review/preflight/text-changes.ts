import type { Session } from "../../database/session.ts";
import { identifier } from "../../database/sql-text.ts";
import type { Change } from "../changes.ts";
import type { Column, Constraint, Index, Relation, SchemaFacts } from "../facts.ts";
import { conversionsOf } from "./casts.ts";
import { cutBytes, type Node, type Part, stringsOf, tokensOf } from "./syntax.ts";
import { findTable } from "./writes.ts";

/**
 * What a statement that failed on the copy would have done, as far as its text tells and the target's rows can answer: new
 * types, NOT NULL, checks, keys. Rows that migrations write are on the copy too, and may be what was in its way.
 */
export async function changesOfText(
  copy: Session,
  parts: readonly Part[],
  facts: SchemaFacts,
): Promise<readonly Change[]> {
  const changes: Change[] = [];
  for (const part of parts) {
    const table = findTable(part.node.relation as Node | undefined, facts);
    if (table === undefined) continue;
    changes.push(...(await retyped(copy, part, table)));
    for (const command of commandsOf(part)) changes.push(...changeOf(command, part, table, facts));
    if (part.type === "IndexStmt" && part.node.unique === true)
      changes.push(...keyAdded(table, namesOf(part.node.indexParams), part.node.whereClause === undefined));
  }
  return changes;
}

function commandsOf({ type, node }: Part): readonly Node[] {
  if (type !== "AlterTableStmt") return [];
  return ((node.cmds ?? []) as readonly Node[]).map((one) => one.AlterTableCmd as Node);
}

async function retyped(copy: Session, part: Part, table: Relation): Promise<readonly Change[]> {
  const changes: Change[] = [];
  for (const { column: name, type } of conversionsOf(part)) {
    const column = table.columns.find((one) => one.name === name);
    const to = await typeOf(copy, type);
    if (column && to) changes.push({ type: "column-retyped", table, column, to: { ...column, ...to } });
  }
  return changes;
}

/** Undefined where the copy does not know the type. */
async function typeOf(copy: Session, type: string): Promise<Pick<Column, "type" | "typeOid"> | undefined> {
  const text = `select pg_typeof(null::${type})::oid::bigint::float8 as "typeOid", set_config('search_path', '', true), format_type(pg_typeof(null::${type})::oid, null) as name`;
  await copy.unsafe("begin");
  try {
    const [row] = await copy.unsafe<readonly { typeOid: number; name: string }[]>(text);
    const [limit = ""] = /\(\s*\d+(\s*,\s*\d+)?\s*\)/.exec(type) ?? [];
    return row && { typeOid: row.typeOid, type: row.name + (LIMITED.has(row.name) ? limit : "") };
  } catch {
    return undefined;
  } finally {
    await copy.unsafe("rollback");
  }
}

/** Types whose limit stands at the end of their name. */
const LIMITED: ReadonlySet<string> = new Set([
  "character varying",
  "character",
  "numeric",
  "bit",
  "bit varying",
]);

/** A column that has to be filled, and is not. */
function columnAdded(definition: Node, table: Relation): readonly Change[] {
  const kinds = ((definition.constraints ?? []) as readonly { readonly Constraint: Node }[]).map(
    ({ Constraint: one }) => one.contype,
  );
  const isSerial = /serial/.test(stringsOf((definition.typeName as Node | undefined)?.names).at(-1) ?? "");
  const isFilled =
    isSerial ||
    kinds.some((kind) => ["CONSTR_DEFAULT", "CONSTR_IDENTITY", "CONSTR_GENERATED"].includes(String(kind)));
  if (isFilled || !kinds.some((kind) => kind === "CONSTR_NOTNULL" || kind === "CONSTR_PRIMARY")) return [];
  const column: Column = {
    number: 0,
    name: String(definition.colname),
    type: "",
    typeOid: 0,
    notNull: true,
    default: null,
    filled: false,
  };
  return [{ type: "column-added", table, column }];
}

function changeOf(command: Node, part: Part, table: Relation, facts: SchemaFacts): readonly Change[] {
  if (command.subtype === "AT_SetNotNull") {
    const column = table.columns.find(({ name }) => name === command.name);
    return column ? [{ type: "not-null-set", table, column }] : [];
  }
  const definition = (command.def as Node | undefined)?.ColumnDef as Node | undefined;
  if (command.subtype === "AT_AddColumn" && definition) return columnAdded(definition, table);
  const constraint = (command.def as Node | undefined)?.Constraint as Node | undefined;
  if (command.subtype !== "AT_AddConstraint" || !constraint || constraint.skip_validation === true) return [];
  switch (constraint.contype) {
    case "CONSTR_CHECK":
      return checkAdded(constraint, part, table);
    case "CONSTR_PRIMARY":
    case "CONSTR_UNIQUE":
      return keyAdded(table, stringsOf(constraint.keys), true);
    case "CONSTR_FOREIGN":
      return foreignKeyAdded(constraint, table, facts);
    default:
      return [];
  }
}

/** What the catalog would tell of it. */
function constraintOf(table: Relation, { conname, contype }: Node): Constraint {
  return {
    oid: 0,
    name: String(conname ?? "the constraint"),
    type: contype === "CONSTR_FOREIGN" ? "f" : "c",
    table: table.oid,
    domain: 0,
    validated: true,
    definition: "",
    expression: null,
    columns: [],
    referenced: 0,
    referencedColumns: [],
    matchFull: false,
  };
}

function checkAdded(node: Node, { sql }: Part, table: Relation): readonly Change[] {
  const tokens = tokensOf(sql).filter(({ start }) => start >= Number(node.location ?? 0));
  const check = tokens.findIndex(({ text, depth }) => text.toLowerCase() === "check" && depth === 0);
  const open = tokens[check + 1];
  const close = tokens.find(
    ({ text, depth, start }) => text === ")" && depth === 0 && start > (open?.start ?? 0),
  );
  if (check < 0 || open === undefined || close === undefined) return [];
  const expression = cutBytes(sql, open.start, close.end);
  return [{ type: "constraint-added", constraint: { ...constraintOf(table, node), expression } }];
}

function foreignKeyAdded(node: Node, table: Relation, facts: SchemaFacts): readonly Change[] {
  const other = findTable(node.pktable as Node, facts);
  const numbers = (relation: Relation, names: readonly string[]) =>
    names.flatMap((name) => relation.columns.find((column) => column.name === name)?.number ?? []);
  const primary = [...facts.constraints.values()].find(
    ({ type, table: own }) => type === "p" && own === other?.oid,
  );
  if (other === undefined) return [];
  const named = stringsOf(node.pk_attrs);
  const constraint: Constraint = {
    ...constraintOf(table, node),
    columns: numbers(table, stringsOf(node.fk_attrs)),
    referenced: other.oid,
    referencedColumns: named.length > 0 ? numbers(other, named) : (primary?.columns ?? []),
    matchFull: node.fk_matchtype === "f",
  };
  return [{ type: "constraint-added", constraint }];
}

/** Only of plain columns: what else stands in an index is told by the server, which refused it. */
function keyAdded(table: Relation, names: readonly string[], isPlain: boolean): readonly Change[] {
  if (!isPlain || names.length === 0) return [];
  const index: Index = {
    oid: 0,
    table: table.oid,
    unique: true,
    primary: false,
    exclusion: false,
    valid: true,
    nullsNotDistinct: false,
    method: "btree",
    keys: names.map(identifier),
    predicate: null,
    definition: "",
  };
  return [{ type: "index-added", index, relation: table }];
}

function namesOf(elements: unknown): readonly string[] {
  const names = ((elements ?? []) as readonly { readonly IndexElem: Node }[]).map(
    ({ IndexElem }) => IndexElem.name,
  );
  return names.every((name) => typeof name === "string") ? names.map(String) : [];
}
