import type { Difference } from "../catalog/compare.ts";

/** Differences after a down, in words that say so: what is expected is the schema before the up. */
export function afterDown(differences: readonly Difference[]): readonly Difference[] {
  return differences.map((difference) => ({
    ...difference,
    text: difference.text
      .replace(/ is not in the migrations$/, " is left behind: it was not there before the up")
      .replace(/ is missing$/, " is gone: it was there before the up")
      .replaceAll("; the migrations say ", "; before the up: ")
      .replaceAll("; the migrations give none", "; before the up: none")
      .replaceAll("which the migrations do not", "which it had not before the up")
      .replaceAll("the migrations ", "what was before the up "),
  }));
}
