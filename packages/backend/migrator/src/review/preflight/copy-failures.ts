import type { ObservedStatement } from "../observed.ts";
import type { Check } from "./check.ts";
import type { Finding } from "./finding.ts";
import type { Moment } from "./moment.ts";
import type { Node } from "./syntax.ts";
import { showName } from "./words.ts";
import { findTable } from "./writes.ts";

/** What the finding is called. */
export const COPY_CHECK = "fails-on-copy";

/**
 * SQLSTATE classes that say something of rows, of what a migration itself asks for, or of the copy's server: the copy has
 * hardly any rows, and gives a statement a minute.
 */
const MAY_BE_OF_THE_COPY = /^(22|23|40|53|57|P0)/;

type Failure = NonNullable<ObservedStatement["failure"]>;

/** A statement that failed on the copy. It fails on the target too, where it is not rows that were in its way. */
export function copyFailure({ statement: { failure }, name, parts, before }: Moment): readonly Check[] {
  if (failure === undefined) return [];
  const [table] = parts.flatMap(({ node }) => findTable(node.relation as Node | undefined, before) ?? []);
  const object = table === undefined ? name : showName(table);
  return [{ check: COPY_CHECK, object, ask: async () => meaningOf(failure) }];
}

/** The same where there is no target to be asked. */
export function failuresOf({ failure, number }: ObservedStatement): readonly Finding[] {
  if (failure === undefined) return [];
  const nothing = { count: null, sampled: false, examples: [], dependsOn: undefined };
  return [{ check: COPY_CHECK, object: `statement ${number}`, ...meaningOf(failure), ...nothing }];
}

function meaningOf({ code, words }: Failure): { outcome: "fails" | "unknown"; message: string } {
  const said = words.join("; ");
  return MAY_BE_OF_THE_COPY.test(code ?? "")
    ? {
        outcome: "unknown",
        message: `it fails on a copy of the schema, perhaps not on the target's rows: ${said}`,
      }
    : { outcome: "fails", message: `it fails on a copy of the schema: ${said}` };
}
