import type { Difference } from "../catalog/compare.ts";
import { linesOf } from "../verify/difference-lines.ts";
import type { DriftResult } from "../verify/drift.ts";
import type { FolderCheckResult } from "../verify/folder-check.ts";
import { annotation } from "./github.ts";
import { lineColors as colors, type Output } from "./output.ts";
import { noteProblems } from "./problems.ts";
import { count } from "./text.ts";

/** What differs, by object, each with what puts it right; then what does not count, and the sum. */
export function reportDrift(
  output: Output,
  result: DriftResult | FolderCheckResult,
  { github }: { readonly github: boolean },
): void {
  noteProblems(output, result.problems);
  for (const [object, differences] of byObject(result.drift)) {
    output.line(colors.bold(object));
    for (const difference of differences)
      for (const line of linesOf(difference, colors.yellow)) output.line(`  ${line}`);
  }
  for (const { text, reason } of result.ignored) output.note(colors.dim(`ignored: ${text} (${reason})`));
  output.line(`${result.drift.length === 0 ? "" : "\n"}${verdict(result)}`);
  // Annotations are commands to the runner of the job, and it reads stdout; a JSON document has that for itself.
  if (github)
    for (const { text, object } of result.drift) say(output, annotation("error", `drift: ${object}`, text));
  output.document(result);
}

function say(output: Output, text: string): void {
  if (output.json) output.note(text);
  else output.line(text);
}

function byObject(drift: readonly Difference[]): ReadonlyMap<string, readonly Difference[]> {
  const groups = new Map<string, Difference[]>();
  for (const difference of drift) {
    const group = groups.get(difference.object);
    if (group) group.push(difference);
    else groups.set(difference.object, [difference]);
  }
  return groups;
}

function verdict(result: DriftResult | FolderCheckResult): string {
  const found = result.drift.length;
  const subject = "folder" in result ? "the folder's SQL" : `database ${result.database} at ${result.server}`;
  const standard =
    "folder" in result
      ? result.standards.join(" and ")
      : `what its ${count(result.applied, "migration")} say${result.applied === 1 ? "s" : ""}${result.appliedTo === null ? "" : ` (up to ${result.appliedTo})`}`;
  return found === 0
    ? `no drift: ${subject} agrees with ${standard}`
    : `${count(found, "difference")}: ${subject} does not agree with ${standard}`;
}
