import type { Observation } from "../observe.ts";
import type { ObservedStatement } from "../observed.ts";
import { acceptAllowed, type Hazards, type KnownIds, UNUSED_ALLOW } from "./accept.ts";
import { type Hazard, type HazardContext, type Heat, SEVERITIES } from "./hazard.ts";
import { loadParser, nodesOf } from "./nodes.ts";
import { type HazardKind, hazardOf } from "./rule.ts";
import { RULES } from "./rules.ts";
import { runSquawk, type SquawkResult } from "./squawk.ts";
import { squawkHazards } from "./squawk-hazards.ts";
import { SQUAWK_RULES } from "./squawk-rules.ts";

export const NOT_LINTED: HazardKind = {
  id: "squawk-missing",
  severity: "medium",
  title: "squawk could not read the migrations",
  effect: "The hazards that only squawk knows were not looked for; all that is measured was.",
  safer: "Install the package's optional dependencies: squawk-cli brings its program as one of them.",
};

const SQUAWK_KINDS: readonly HazardKind[] = Object.values(SQUAWK_RULES).filter((rule) => "keep" in rule);

/** Every kind of hazard there is, as the page of documentation lists them. */
export const HAZARD_KINDS: readonly HazardKind[] = [...RULES, ...SQUAWK_KINDS, UNUSED_ALLOW, NOT_LINTED];

/** What is known beside the observation. */
export interface Surroundings {
  /** Of the server, e.g. 17. */
  readonly major: number;
  /** Of the target, where there is one: `public.users_email_idx`. */
  readonly invalidIndexes?: ReadonlySet<string> | undefined;
  /** What squawk says, for who has asked it already. */
  readonly squawk?: SquawkResult | undefined;
}

/**
 * What of a plan can hurt running code or traffic: the migrator's own rules, and squawk's where they hold; the worst first.
 * What a file's comments accept is marked with the reason.
 */
export async function findHazards(
  { before, scripts }: Pick<Observation, "before" | "scripts">,
  heat: Heat,
  { major, invalidIndexes, squawk }: Surroundings,
): Promise<Hazards> {
  await loadParser();
  const said = squawk ?? (await runSquawk(scripts, major));
  const found = new Map<ObservedStatement, readonly Hazard[]>();
  let facts = before;
  const emptied = new Set<number>();
  const now: Heat = {
    isHot: (oid) => !emptied.has(oid) && heat.isHot(oid),
    rowsOf: (oid) => (emptied.has(oid) ? 0 : heat.rowsOf(oid)),
  };
  for (const script of scripts) {
    for (const statement of script.statements) {
      const nodes = nodesOf(statement.sql);
      const context = { before, scripts, script, statement, facts, heat: now, invalidIndexes, nodes };
      found.set(statement, hazardsOf(context, said));
      if (statement.type === "TruncateStmt")
        for (const { relation } of statement.locks) emptied.add(relation.oid);
      facts = statement.facts;
    }
  }
  if ("missing" in said) tellMissing(found, said.missing);
  const ids = knownIds(found, said);
  return sorted(scripts.reduce<Hazards>((all, script) => acceptAllowed(script, all, ids), found));
}

function hazardsOf(context: HazardContext, said: SquawkResult): readonly Hazard[] {
  const own = RULES.flatMap((rule) => rule.find(context).map((one) => hazardOf(rule, one)));
  const findings = "missing" in said ? [] : (said.findings.get(context.statement) ?? []);
  return [
    ...own,
    ...squawkHazards(context, findings).filter(({ id }) => own.every((hazard) => hazard.id !== id)),
  ];
}

function tellMissing(found: Map<ObservedStatement, readonly Hazard[]>, message: string): void {
  const [first] = found;
  if (first !== undefined) found.set(first[0], [...first[1], hazardOf(NOT_LINTED, { message })]);
}

function knownIds(found: Hazards, said: SquawkResult): KnownIds {
  const reported = [...found.values()].flat().map(({ id }) => id);
  const known = new Set([...HAZARD_KINDS.map(({ id }) => id), ...reported]);
  return {
    isKnown: (id) => known.has(id),
    ownNameOf: (id) => {
      const rule = SQUAWK_RULES[id];
      return rule !== undefined && "standsIn" in rule ? rule.standsIn : undefined;
    },
    wasLookedFor: (id) => !("missing" in said && SQUAWK_KINDS.some((kind) => kind.id === id)),
  };
}

function sorted(hazards: Hazards): Hazards {
  const rank = ({ severity }: Hazard) => -SEVERITIES.indexOf(severity);
  return new Map(
    [...hazards].map(([statement, own]) => [statement, own.toSorted((a, b) => rank(a) - rank(b))]),
  );
}
