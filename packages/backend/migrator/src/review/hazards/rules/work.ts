import type { Change } from "../../changes.ts";
import type { HazardContext } from "../hazard.ts";
import { type Worked, workedUnderLock } from "../locked.ts";

/** Why a table is gone through, or written anew. */
export type Cause =
  | "truncate"
  | "reindex"
  | "rewrite"
  | "index"
  | "key"
  | "not-null"
  | "check"
  | "foreign-key"
  | "validate"
  | "rows"
  | "other";

/** A member of a union may stand for several types: told apart by what it can be, not by what it is alone. */
type Of<T extends Change["type"], C = Change> = C extends { readonly type: infer U }
  ? T extends U
    ? C
    : never
  : never;

/** The changes of some kinds that a statement has made. */
export function changesOf<T extends Change["type"]>(
  { statement }: Pick<HazardContext, "statement">,
  ...types: readonly T[]
): readonly Of<T>[] {
  return statement.changes.filter((change): change is Of<T> =>
    (types as readonly string[]).includes(change.type),
  );
}

/** Commands whose new files are not the rows copied one by one. REINDEX has a hazard of its own, by squawk. */
const REWRITERS: Readonly<Record<string, Cause>> = { TruncateStmt: "truncate", ReindexStmt: "reindex" };

const WRITES_ROWS = [
  "UpdateStmt",
  "DeleteStmt",
  "InsertStmt",
  "MergeStmt",
  "SelectStmt",
  "CreateTableAsStmt",
];

/**
 * Work that keeps others out, for one of these reasons. What PostgreSQL has really gone through was measured; an ALTER TABLE
 * of several parts may have several reasons.
 */
export function workBecauseOf(context: HazardContext, ...causes: readonly Cause[]): readonly Worked[] {
  return workedUnderLock(context).filter((worked) =>
    causesOf(context, worked).some((cause) => causes.includes(cause)),
  );
}

function causesOf(context: HazardContext, { table, lock }: Worked): readonly Cause[] {
  if (lock.rewrites) return [REWRITERS[context.nodes[0]?.type ?? ""] ?? "rewrite"];
  const oids = [table.oid, lock.relation.oid];
  const causes = context.statement.changes.flatMap((change): readonly Cause[] =>
    causeOf(change, oids, context),
  );
  if (causes.length > 0) return causes;
  return [context.nodes.some(({ type }) => WRITES_ROWS.includes(type)) ? "rows" : "other"];
}

function causeOf(change: Change, tables: readonly number[], context: HazardContext): readonly Cause[] {
  switch (change.type) {
    case "index-added":
      if (!tables.includes(change.index.table)) return [];
      return [isOfConstraint(context, change) ? "key" : "index"];
    case "not-null-set":
      return tables.includes(change.table.oid) && !makesKey(context, change.table.oid) ? ["not-null"] : [];
    case "constraint-validated":
      return tables.includes(change.constraint.table) ? ["validate"] : [];
    case "constraint-added": {
      const { type, table, referenced, validated } = change.constraint;
      if (!validated) return [];
      if (type === "f" && [table, referenced].some((oid) => tables.includes(oid))) return ["foreign-key"];
      return type === "c" && tables.includes(table) ? ["check"] : [];
    }
    default:
      return [];
  }
}

/** The index of a PRIMARY KEY, UNIQUE or EXCLUDE constraint has the constraint's name. */
export function isOfConstraint(context: HazardContext, { index, relation }: Of<"index-added">): boolean {
  return changesOf(context, "constraint-added").some(
    ({ constraint }) => constraint.table === index.table && constraint.name === relation.name,
  );
}

function makesKey(context: HazardContext, table: number): boolean {
  return changesOf(context, "constraint-added").some(
    ({ constraint }) => constraint.table === table && constraint.type === "p",
  );
}
