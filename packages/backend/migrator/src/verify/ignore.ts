import type { Difference } from "../catalog/compare.ts";
import type { IgnoreRule } from "../config.ts";

/** A difference that does not count. */
export interface IgnoredDifference extends Difference {
  /** Why, as the config says. */
  readonly reason: string;
}

/** Divides differences into those that count and those that the config ignores. */
export function sift(
  differences: readonly Difference[],
  rules: readonly IgnoreRule[],
): { readonly drift: readonly Difference[]; readonly ignored: readonly IgnoredDifference[] } {
  const drift: Difference[] = [];
  const ignored: IgnoredDifference[] = [];
  for (const difference of differences) {
    const rule = rules.find((candidate) => matches(candidate, difference));
    if (rule === undefined) drift.push(difference);
    else ignored.push({ ...difference, reason: rule.reason });
  }
  return { drift, ignored };
}

function matches({ object, kind }: IgnoreRule, difference: Difference): boolean {
  if (kind !== undefined && kind !== difference.kind) return false;
  const parts = object.split("*").map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"));
  // Of a schema that nobody expects there is one difference, in place of one for each thing in it.
  const whole =
    object.endsWith(".*") && difference.kind === "schema" ? `${difference.object}.` : difference.object;
  return new RegExp(`^${parts.join(".*")}$`, "s").test(whole);
}
