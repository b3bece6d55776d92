import type { Check } from "./check.ts";
import type { Moment } from "./moment.ts";
import type { Node } from "./syntax.ts";
import { showName } from "./words.ts";
import { findTable } from "./writes.ts";

/** What the finding is called. */
export const COPY_CHECK = "fails-on-copy";

/** SQLSTATE classes that say something of rows or of what a migration itself asks for, and the copy has hardly any rows. */
const MAY_BE_OF_ROWS = /^(22|23|P0)/;

/** A statement that failed on the copy. It fails on the target too, where it is not rows that were in its way. */
export function copyFailure({ statement: { failure }, name, parts, before }: Moment): readonly Check[] {
  if (failure === undefined) return [];
  const isOfRows = MAY_BE_OF_ROWS.test(failure.code ?? "");
  const words = failure.words.join("; ");
  const [table] = parts.flatMap(({ node }) => findTable(node.relation as Node | undefined, before) ?? []);
  return [
    {
      check: COPY_CHECK,
      object: table === undefined ? name : showName(table),
      ask: async () =>
        isOfRows
          ? {
              outcome: "unknown",
              message: `it fails on a copy of the schema, perhaps not on the target's rows: ${words}`,
            }
          : { outcome: "fails", message: `it fails on a copy of the schema: ${words}` },
    },
  ];
}
