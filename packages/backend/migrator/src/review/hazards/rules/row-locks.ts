import type { HazardContext } from "../hazard.ts";
import { severityAt } from "../locked.ts";
import { tableOf } from "../nodes.ts";
import type { Found, Rule } from "../rule.ts";
import { withRows } from "../words.ts";

export const ROW_LOCK_RULES: readonly Rule[] = [
  {
    id: "all-rows-written",
    severity: "medium",
    title: "All rows of a table in use are written in one transaction",
    effect:
      "Whoever writes one of these rows waits until the transaction ends. Their old versions stay until a VACUUM: the table may grow to twice its size.",
    safer:
      "In batches of some thousand rows, each a transaction of its own: by a script beside the deploy, or by a procedure that commits.",
    find: allWritten,
  },
];

function allWritten(context: HazardContext): readonly Found[] {
  const { nodes, facts, before, heat } = context;
  return nodes.flatMap(({ type, node }): readonly Found[] => {
    const { whereClause, fromClause, usingClause } = node;
    const isLimited = whereClause !== undefined || fromClause !== undefined || usingClause !== undefined;
    if ((type !== "UpdateStmt" && type !== "DeleteStmt") || isLimited) return [];
    const table = tableOf(facts, node);
    const known = table && before.relations.get(table.oid);
    if (known === undefined || !heat.isHot(known.oid)) return [];
    const verb = type === "UpdateStmt" ? "updated" : "deleted";
    const message = `all rows of ${withRows(context, known)} are ${verb} in one transaction`;
    return [{ message, severity: severityAt(context, known, "medium") }];
  });
}
