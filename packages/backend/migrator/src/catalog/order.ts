import type { Finding } from "./find.ts";
import type { State } from "./state.ts";
import { takenBy } from "./taken.ts";

/**
 * The order in which differences can be put right one after the other: what is to be made before what needs it, and what
 * is to go after all that still needs it.
 */
export function ordered(findings: readonly Finding[], expected: State, actual: State): readonly Finding[] {
  const owner = new Map(findings.flatMap((finding) => finding.keys.map((key) => [key, finding] as const)));
  const before = new Map(findings.map((finding) => [finding, new Set<Finding>()]));
  const require = (later: Finding | undefined, earlier: Finding | undefined) => {
    if (later && earlier && later !== earlier) before.get(later)?.add(earlier);
  };
  for (const key of owner.keys()) {
    const finding = owner.get(key);
    for (const needed of neededOf(expected, key)) {
      const source = owner.get(needed);
      if (source?.change !== "extra") require(finding, source);
    }
    for (const needed of neededOf(actual, key)) {
      const source = owner.get(needed);
      if (source?.change === "extra") require(source, finding);
    }
  }
  const names = holdersOf(owner, actual);
  for (const [key, finding] of owner) {
    const object = finding.change === "extra" ? undefined : expected.objects.get(key);
    for (const name of object ? takenBy(object) : []) require(finding, names.get(name));
  }
  return sorted(findings, before);
}

/** By name: what goes away and frees it. */
function holdersOf(owner: ReadonlyMap<string, Finding>, actual: State): ReadonlyMap<string, Finding> {
  const extras = [...owner].filter(([, { change }]) => change === "extra");
  return new Map(
    extras.flatMap(([key, finding]) => {
      const object = actual.objects.get(key);
      return object ? takenBy(object).map((name) => [name, finding] as const) : [];
    }),
  );
}

function neededOf(state: State, key: string): readonly string[] {
  const parent = state.objects.get(key)?.parent;
  return [...(state.needs.get(key) ?? []), ...(parent ? [parent] : [])];
}

/** Depth first; where needs run in a circle it is cut anywhere. */
function sorted(
  findings: readonly Finding[],
  before: ReadonlyMap<Finding, ReadonlySet<Finding>>,
): readonly Finding[] {
  const done = new Set<Finding>();
  const entered = new Set<Finding>();
  // A stack of our own: chains are as long as the schema is deep.
  const visit = (root: Finding) => {
    const stack: Finding[] = [root];
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      entered.add(top);
      const next = [...(before.get(top) ?? [])].find((finding) => !entered.has(finding));
      if (next) stack.push(next);
      else if (stack.pop()) done.add(top);
    }
  };
  for (const finding of findings) if (!entered.has(finding)) visit(finding);
  return [...done];
}
