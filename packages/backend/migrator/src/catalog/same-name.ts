import type { CatalogObject } from "./catalog.ts";
import type { Finding } from "./find.ts";
import { takenBy } from "./taken.ts";

/**
 * Joins what is missing with what holds its name: a view where a table should be. Neither can be put right by itself, since
 * whatever needs the one is in the way of dropping it until the other is there.
 */
export function joinedByName(findings: readonly Finding[]): readonly Finding[] {
  const holders = new Map<string, Finding>();
  for (const finding of findings) {
    if (finding.change === "extra") for (const name of namesOf(finding.actual)) holders.set(name, finding);
  }
  const joined = new Set<Finding>();
  const result = findings.map((finding) => {
    const holder = namesOf(finding.expected).flatMap((name) => holders.get(name) ?? [])[0];
    if (finding.change !== "missing" || !holder || joined.has(holder)) return finding;
    joined.add(holder);
    return {
      ...{ change: "changed" as const, expected: finding.expected, actual: holder.actual },
      keys: [...finding.keys, ...holder.keys],
    };
  });
  return result.filter((finding) => !joined.has(finding));
}

function namesOf(object: CatalogObject | undefined): readonly string[] {
  return object ? takenBy(object) : [];
}
