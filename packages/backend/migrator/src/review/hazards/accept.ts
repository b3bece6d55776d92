import type { ObservedScript, ObservedStatement } from "../observed.ts";
import { type Allowance, allowancesOf } from "./allow.ts";
import type { Hazard } from "./hazard.ts";
import { type HazardKind, hazardOf } from "./rule.ts";

export const UNUSED_ALLOW: HazardKind = {
  id: "unused-allow",
  severity: "low",
  title: "A comment `-- allow:` that accepts nothing",
  effect: "Whoever reads the file believes that something was weighed and accepted. It was not.",
  safer: "Write `-- allow: <hazard-id> <reason>` above the statement, or take the comment away.",
};

export type Hazards = ReadonlyMap<ObservedStatement, readonly Hazard[]>;

/** Which ids there are, and which of them were looked for. */
export interface KnownIds {
  isKnown(id: string): boolean;
  /** The id under which squawk's rule is reported, where that is one of ours. */
  ownNameOf(id: string): string | undefined;
  wasLookedFor(id: string): boolean;
}

/** The hazards of a file with the reasons for which its comments accept them, and with what the comments do wrong. */
export function acceptAllowed(script: ObservedScript, hazards: Hazards, ids: KnownIds): Hazards {
  const result = new Map(hazards);
  for (const allowance of allowancesOf(script)) {
    const wrong = whatIsWrong(allowance, ids) ?? accept(allowance, result, ids);
    const [at] = allowance.statements;
    if (wrong !== undefined)
      result.set(at, [
        ...(result.get(at) ?? []),
        hazardOf(UNUSED_ALLOW, { message: `line ${allowance.line}: ${wrong}` }),
      ]);
  }
  return result;
}

function whatIsWrong({ id, reason }: Allowance, { isKnown, ownNameOf }: KnownIds): string | undefined {
  if (id === "") return "-- allow: names no hazard";
  const own = ownNameOf(id);
  if (own !== undefined) return `-- allow: names ${id} of squawk's, which is called ${own} here`;
  if (!isKnown(id)) return `-- allow: names ${JSON.stringify(id)}, which is no hazard's id`;
  return reason === "" ? `-- allow: ${id} gives no reason, so the hazard stands` : undefined;
}

/** @returns what is wrong where there was nothing to accept */
function accept(
  { id, reason, statements }: Allowance,
  hazards: Map<ObservedStatement, readonly Hazard[]>,
  { wasLookedFor }: KnownIds,
): string | undefined {
  let isUsed = !wasLookedFor(id);
  for (const statement of statements) {
    const own = hazards.get(statement) ?? [];
    isUsed ||= own.some((hazard) => hazard.id === id);
    hazards.set(
      statement,
      own.map((hazard) => (hazard.id === id ? { ...hazard, allowed: hazard.allowed ?? reason } : hazard)),
    );
  }
  return isUsed ? undefined : `-- allow: ${id} accepts nothing: there is no such hazard here`;
}
