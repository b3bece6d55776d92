import type { Relation, SchemaFacts } from "../facts.ts";
import type { ObservedStatement } from "../observed.ts";
import { type Node, type Part, stringsOf, valuesOf, walk } from "./syntax.ts";

/** What a statement may do to the rows of a table. */
export interface Write {
  /** OID, of the copy. */
  readonly table: number;
  /** Names, as they are then, of the columns that it sets; undefined for whole rows. */
  readonly columns: ReadonlySet<string> | undefined;
  /** False for rows that are written out in the statement: the copy has had the same. */
  readonly ofRows: boolean;
}

/** Modes that a statement holds a table in only to write to it. */
const WRITING = "ROW EXCLUSIVE";

/**
 * The tables that a statement writes to: by its text, as PostgreSQL's parser reads it, and by the locks that it was seen
 * with, which also tell what a DO block or a function does.
 * @param before the schema as the statement meets it
 * @param held tables that its transaction holds more strongly than a writer would: a lock does not tell of writes to them
 */
export function writesOf(
  { locks, changes }: ObservedStatement,
  parts: readonly Part[],
  before: SchemaFacts,
  held: ReadonlySet<number>,
): readonly Write[] {
  const named: Write[] = [];
  for (const { type, node } of parts) {
    walk({ [type]: node }, (name, one) => {
      const targets = targetsOf(name, one).flatMap((target) => findTable(target, before) ?? []);
      named.push(
        ...targets.map(({ oid }) => ({
          table: oid,
          columns: setBy(name, one),
          ofRows: name !== "InsertStmt" || valuesOf(one) === undefined,
        })),
      );
    });
  }
  // CREATE TABLE … AS and SELECT … INTO: made and filled at once.
  if (parts.some(({ type, node }) => type === "CreateTableAsStmt" || node.intoClause !== undefined)) {
    const made = changes.flatMap((change) =>
      change.type === "relation-created" ? [change.relation.oid] : [],
    );
    named.push(...made.map((table) => ({ table, columns: undefined, ofRows: true })));
  }
  const truncates = parts.some(
    ({ type, node }) => type === "TruncateStmt" && node.behavior === "DROP_CASCADE",
  );
  const seen = locks.flatMap(({ mode, relation }) => (mode === WRITING || truncates ? [relation.oid] : []));
  const hidden = parts.some(runsCode) ? [...held] : [];
  const unnamed = [...seen, ...hidden].filter((oid) => !named.some(({ table }) => table === oid));
  const direct = [...named, ...unnamed.map((table) => ({ table, columns: undefined, ofRows: true }))];
  return [...direct, ...followers(direct, parts, before)];
}

/** Words of which one stands in every block that writes rows, or calls what may. */
const MAY_WRITE = /\b(insert|update|delete|merge|truncate|copy|execute|call|perform|select)\b/i;

/** Whether a command runs code that the parser does not see into: a DO block, a procedure, a SELECT of a function alone. */
function runsCode({ type, node, sql }: Part): boolean {
  if (type === "CallStmt") return true;
  if (type === "DoStmt") return MAY_WRITE.test(sql);
  if (type !== "SelectStmt" || node.fromClause !== undefined) return false;
  let calls = false;
  walk(node, (name, { funcname }) => {
    const own = stringsOf(funcname).at(-1) ?? "";
    if (name === "FuncCall" && !/^(pg_|set_config$|setval$|nextval$|now$)/.test(own)) calls = true;
  });
  return calls;
}

/** Tables whose foreign keys pass a deletion or a change on to them. */
function followers(direct: readonly Write[], parts: readonly Part[], facts: SchemaFacts): readonly Write[] {
  const types = new Set<string>();
  for (const { type, node } of parts) walk({ [type]: node }, (name) => types.add(name));
  if (!["DeleteStmt", "UpdateStmt", "MergeStmt", "TruncateStmt"].some((type) => types.has(type))) return [];
  const reached = new Set(direct.map(({ table }) => table));
  for (const table of reached) {
    for (const { type, referenced, table: child, definition } of facts.constraints.values()) {
      if (type === "f" && referenced === table && / ON (DELETE|UPDATE) (CASCADE|SET )/.test(definition))
        reached.add(child);
    }
  }
  return [...reached]
    .filter((table) => !direct.some((write) => write.table === table))
    .map((table) => ({ table, columns: undefined, ofRows: true }));
}

function targetsOf(name: string, node: Node): readonly Node[] {
  if (name === "TruncateStmt")
    return ((node.relations ?? []) as readonly Node[]).map((one) => one.RangeVar as Node);
  const isWrite = ["InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"].includes(name);
  return isWrite ? [node.relation as Node] : [];
}

/** Of an UPDATE; other commands write whole rows. */
function setBy(name: string, node: Node): ReadonlySet<string> | undefined {
  if (name !== "UpdateStmt") return undefined;
  const targets = (node.targetList ?? []) as readonly { readonly ResTarget: Node }[];
  return new Set(targets.map(({ ResTarget }) => String(ResTarget.name)));
}

/** The table that a name in a text means. Without a schema it is looked for in `public` first. */
export function findTable(range: Node | undefined, { relations }: SchemaFacts): Relation | undefined {
  const found = [...relations.values()].filter(
    ({ name, schema, kind }) =>
      name === range?.relname &&
      (range?.schemaname === undefined || schema === range.schemaname) &&
      ["r", "p", "m", "f", "v"].includes(kind),
  );
  return found.find(({ schema }) => schema === "public") ?? found[0];
}
