import type { GenerateResult } from "../folder/generate.ts";
import type { GeneratedProof } from "../verify/generated.ts";
import type { Output } from "./output.ts";
import { duration } from "./text.ts";

/** What `generate` wrote, or that it had nothing to, and whether the down was proved. */
export function reportGenerate(
  output: Output,
  result: GenerateResult,
  proof: GeneratedProof | undefined,
  relativeTo: (path: string) => string,
): void {
  if (result.tag === undefined)
    output.line("nothing to generate: the schema has no change that the migrations lack");
  else {
    output.line(`generated ${result.tag}`);
    for (const file of result.files) output.line(`  ${relativeTo(file)}`);
    for (const line of linesOf(result, proof)) output.line(line);
  }
  output.document({
    tag: result.tag ?? null,
    files: result.files.map(relativeTo),
    downUnfinished: proof?.proved == null ? result.downUnfinished : proof.draft.text === null,
    downProved: proof?.proved ?? null,
    ...(proof?.proved === false
      ? { reason: proof.draft.reason, differences: proof.draft.differences }
      : proof?.proved === null
        ? { reason: proof.reason }
        : {}),
  });
}

function linesOf({ downUnfinished }: GenerateResult, proof: GeneratedProof | undefined): readonly string[] {
  if (proof?.proved === true) {
    return [`proved: down undoes up (${duration(proof.durationMs)})`, "read both files before you commit"];
  }
  if (proof?.proved === false) {
    const { draft } = proof;
    return [
      draft.text === null
        ? `the down file could not be drafted: ${draft.reason}`
        : `not proved: the down does not undo the up${draft.reason === null ? "" : `: ${draft.reason}`}`,
      ...draft.differences.map(({ text }) => `  ${text}`),
      "finish the down file by hand and remove its mark before you commit; `migrator prove` and CI refuse it until then",
    ];
  }
  return [
    ...(proof ? [`not proved, it could not be tried: ${proof.reason}`] : []),
    downUnfinished
      ? "the down file could not be drafted: finish it by hand before you commit"
      : "read both files before you commit; the down file is a draft",
  ];
}
