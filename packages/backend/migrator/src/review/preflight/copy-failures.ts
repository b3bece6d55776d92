import type { ObservedStatement } from "../observed.ts";
import type { Check } from "./check.ts";
import type { Finding } from "./finding.ts";
import type { Moment } from "./moment.ts";
import { type Node, type Part, valuesOf, walk } from "./syntax.ts";
import { showName } from "./words.ts";
import { findTable } from "./writes.ts";

/** What the finding is called. */
export const COPY_CHECK = "fails-on-copy";

/**
 * SQLSTATE classes that say something of rows, of what a migration itself asks for, or of the copy's server: the copy has
 * hardly any rows, and gives a statement a minute.
 */
const MAY_BE_OF_THE_COPY = /^(22|23|40|53|57|P0)/;

/** Of these, what does not depend on rows either: values that do not fit their type, in a statement that reads no row. */
const READS_NO_ROW = new Set([
  ...["CreateStmt", "IndexStmt", "CreateDomainStmt", "AlterDomainStmt", "CreateSeqStmt", "AlterSeqStmt"],
  ...["CreateEnumStmt", "AlterEnumStmt", "CommentStmt", "CreateFunctionStmt", "ViewStmt", "CreatePolicyStmt"],
]);

type Failure = NonNullable<ObservedStatement["failure"]>;

function isOfTheStatement({ code }: Failure, parts: readonly Part[]): boolean {
  if (!code?.startsWith("22") || parts.length !== 1) return false;
  return parts.every(({ type, node }) => {
    if (READS_NO_ROW.has(type)) return true;
    if (type === "InsertStmt") return hasPlainValues(node);
    if (type !== "AlterTableStmt") return false;
    const subtypes = ((node.cmds ?? []) as readonly { readonly AlterTableCmd: Node }[]).map(
      ({ AlterTableCmd }) => AlterTableCmd.subtype,
    );
    return subtypes.every((subtype) => subtype === "AT_ColumnDefault" || subtype === "AT_AddColumn");
  });
}

/** Of an INSERT: written out, without a function or a query that might read something. */
function hasPlainValues(node: Node): boolean {
  const values = valuesOf(node);
  let isPlain = values !== undefined;
  walk(values, (name) => {
    if (name === "FuncCall" || name === "SubLink") isPlain = false;
  });
  return isPlain;
}

/** A statement that failed on the copy. It fails on the target too, where it is not rows that were in its way. */
export function copyFailure({ statement: { failure }, name, parts, before }: Moment): readonly Check[] {
  if (failure === undefined) return [];
  const [table] = parts.flatMap(({ node }) => findTable(node.relation as Node | undefined, before) ?? []);
  const object = table === undefined ? name : showName(table);
  return [{ check: COPY_CHECK, object, ask: async () => meaningOf(failure, parts) }];
}

/** The same where there is no target to be asked. */
export function failuresOf({ failure, number }: ObservedStatement): readonly Finding[] {
  if (failure === undefined) return [];
  const nothing = { count: null, sampled: false, examples: [], dependsOn: undefined };
  return [{ check: COPY_CHECK, object: `statement ${number}`, ...meaningOf(failure, []), ...nothing }];
}

function meaningOf(
  failure: Failure,
  parts: readonly Part[],
): { outcome: "fails" | "unknown"; message: string } {
  const said = failure.words.join("; ");
  return MAY_BE_OF_THE_COPY.test(failure.code ?? "") && !isOfTheStatement(failure, parts)
    ? {
        outcome: "unknown",
        message: `it fails on a copy of the schema, perhaps not on the target's rows: ${said}`,
      }
    : { outcome: "fails", message: `it fails on a copy of the schema: ${said}` };
}
