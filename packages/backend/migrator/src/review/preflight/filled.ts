import type { Change } from "../changes.ts";
import type { Check } from "./check.ts";
import type { Asking, Moment } from "./moment.ts";
import { showName } from "./words.ts";

/** What is asked of a table that the plan itself makes and fills: nobody knows its rows before. */
export const filledInPlan: Asking = (moment) => {
  const tables = new Set(moment.changes.flatMap((change) => strictFor(change) ?? []));
  return [...tables].flatMap((table) => checkOf(moment, table));
};

/** The table whose rows a change asks something of. */
function strictFor(change: Change): number | undefined {
  switch (change.type) {
    case "not-null-set":
    case "column-retyped":
      return change.table.oid;
    case "constraint-added":
      return change.constraint.validated ? change.constraint.table : undefined;
    case "index-added":
      return change.index.unique ? change.index.table : undefined;
    default:
      return undefined;
  }
}

function checkOf({ before, origin, fillerOf }: Moment, oid: number): readonly Check[] {
  const table = before.relations.get(oid);
  const writtenBy = fillerOf(oid);
  if (table === undefined || writtenBy === undefined || origin(oid) !== undefined) return [];
  const ask: Check["ask"] = async () => ({ outcome: "passes", message: "there are no rows to look at" });
  return [{ check: "filled", object: showName(table), writtenBy, ask }];
}
