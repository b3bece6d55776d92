import { literal } from "../../../database/sql-text.ts";
import type { HazardContext } from "../hazard.ts";
import { earlierInTransaction } from "../locked.ts";
import { objectsIn } from "../nodes.ts";
import type { Found, Rule } from "../rule.ts";
import { inTwoMigrations, placeOf, sqlName } from "../words.ts";
import { changesOf } from "./work.ts";

export const ENUM_RULES: readonly Rule[] = [
  {
    id: "enum-value-used-at-once",
    severity: "high",
    title: "An enum value is used in the transaction that adds it",
    effect:
      "PostgreSQL refuses a new enum value until its transaction has committed (55P04): the migration fails.",
    safer: "Add the value in one migration and use it in the next.",
    find: usedAtOnce,
  },
];

/** "unsafe use of new value" */
const UNSAFE_USE = "55P04";

function usedAtOnce(context: HazardContext): readonly Found[] {
  const { failure, sql } = context.statement;
  const added = earlierInTransaction(context).flatMap((statement) =>
    changesOf({ statement }, "label-added").map((change) => ({ ...change, statement })),
  );
  const isRefused = failure?.code === UNSAFE_USE;
  const words = failure?.words.join(" ") ?? "";
  const text = isRefused ? undefined : hiddenText(context);
  // The body of a DO block may take another way on the target's rows than on the empty copy.
  const used = added.filter(({ label }) =>
    isRefused ? mentions(words, label) : text?.includes(literal(label)),
  );
  const [first] = used;
  if (first === undefined) return isRefused ? [{ message: words }] : [];
  const { userType, label, statement } = first;
  return [
    {
      message: `${literal(label)} of ${userType.name} is used in the transaction that adds it (${placeOf(statement)})`,
      severity: isRefused ? "high" : "medium",
      safer: inTwoMigrations(
        [`ALTER TYPE ${sqlName(userType)} ADD VALUE ${literal(label)};`],
        [`${sql.replace(/;\s*$/, "")};`],
      ),
    },
  ];
}

function mentions(words: string, label: string): boolean {
  return words.includes(`"${label}"`);
}

function hiddenText({ nodes }: HazardContext): string | undefined {
  const blocks = nodes.filter(({ type }) => type === "DoStmt");
  return blocks.flatMap(({ node }) => [...objectsIn(node)].flatMap(({ sval }) => sval ?? [])).join("\n");
}
