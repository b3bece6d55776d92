import type { Hazard, HazardContext } from "./hazard.ts";
import { blockedBy } from "./locked.ts";
import { relationsNamedBy } from "./nodes.ts";
import { hazardOf } from "./rule.ts";
import { RULES } from "./rules.ts";
import type { SquawkFinding } from "./squawk.ts";
import { type KeptRule, SQUAWK_RULES, type StandIn } from "./squawk-rules.ts";
import { listOf, spoken } from "./words.ts";

/** What of squawk's findings holds for a statement, each hazard once. */
export function squawkHazards(context: HazardContext, findings: readonly SquawkFinding[]): readonly Hazard[] {
  const isCloser = findings.some(({ rule }) => CLOSER.includes(rule));
  const told = isCloser ? findings.filter(({ rule }) => rule !== "constraint-missing-not-valid") : findings;
  const hazards = told.flatMap((finding): readonly Hazard[] => {
    const rule = SQUAWK_RULES[finding.rule];
    if (rule === undefined) return [unknown(finding)];
    if ("leftOut" in rule) return [];
    return "keep" in rule ? kept(context, finding, rule) : stoodIn(context, finding, rule);
  });
  return [...new Map(hazards.map((hazard) => [hazard.id, hazard])).values()];
}

/** Said of a constraint beside what squawk says of every one. */
const CLOSER = [
  "adding-foreign-key-constraint",
  "adding-serial-primary-key-field",
  "disallowed-unique-constraint",
];

function unknown({ rule, message, help }: SquawkFinding): Hazard {
  const safer = help ?? `see https://squawkhq.com/docs/${rule}`;
  const kind = { id: rule, severity: "low", title: rule, effect: message, safer } as const;
  return hazardOf(kind, { message }, "squawk");
}

function kept(context: HazardContext, { message }: SquawkFinding, rule: KeptRule): readonly Hazard[] {
  if (!applies(context, rule.where)) return [];
  return [hazardOf(rule, { message, ...(isMeasured(context) ? rule.say?.(context) : {}) }, "squawk")];
}

/** What ran on the copy was measured, and our own rules have said what there is to say. */
function stoodIn(context: HazardContext, { message }: SquawkFinding, rule: StandIn): readonly Hazard[] {
  const own = RULES.find(({ id }) => id === rule.standsIn);
  if (own === undefined || isMeasured(context) || !applies(context, rule.where)) return [];
  const tables = relationsNamedBy(context).map(spoken);
  return [hazardOf(own, { message: `${listOf(tables)}: ${message}` }, "squawk")];
}

function isMeasured({ statement }: HazardContext): boolean {
  return statement.failure === undefined && statement.untried === undefined;
}

function applies(context: HazardContext, where: KeptRule["where"]): boolean {
  if (where === "always") return true;
  if (where === "hot" && isMeasured(context)) return blockedBy(context, context.statement).length > 0;
  const named = relationsNamedBy(context);
  return named.some(({ oid }) => where === "existing" || context.heat.isHot(oid));
}
