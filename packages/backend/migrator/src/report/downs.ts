import type { DownsResult } from "../verify/downs.ts";
import type { DownDraft, DraftState } from "../verify/drafts.ts";
import { lineColors as colors, type Output } from "./output.ts";
import { count, duration } from "./text.ts";

/** What was drafted for which migration, each with its text unless it was written, and the sum. */
export function reportDowns(output: Output, result: DownsResult, relativeTo: (path: string) => string): void {
  const { drafts, written, durationMs } = result;
  for (const draft of drafts) {
    output.line(lineOf(draft));
    for (const { text } of draft.differences) output.line(`  ${text}`);
    if (written.length > 0 || draft.text === null) continue;
    for (const line of draft.text.trimEnd().split("\n")) output.line(colors.dim(`  | ${line}`));
  }
  for (const file of written) output.line(`wrote ${relativeTo(file)}`);
  const sums = (Object.keys(WORDS) as DraftState[])
    .map((state) => ({ state, sum: drafts.filter((draft) => draft.state === state).length }))
    .filter(({ sum }) => sum > 0)
    .map(({ state, sum }) => `${sum} ${WORDS[state]}`);
  const hint =
    written.length > 0 || drafts.every(({ text }) => text === null)
      ? ""
      : "; nothing was written, say --write";
  output.line(
    drafts.length === 0
      ? "no down file is missing"
      : `\n${count(drafts.length, "down file")} missing: ${sums.join(", ")}; ${duration(durationMs)}${hint}`,
  );
  output.document({ ...result, written: written.map(relativeTo) });
}

const WORDS: Readonly<Record<DraftState, string>> = {
  proved: "drafted and proved",
  unproved: "drafted, not proved",
  "cannot-draft": "cannot be drafted",
};

function lineOf({ tag, state, origin, reason }: DownDraft): string {
  const color = state === "proved" ? colors.green : state === "unproved" ? colors.yellow : colors.red;
  const from =
    origin === "snapshots" ? ", from the snapshots" : origin ? ", from the schema before and after" : "";
  return `${tag}  ${color(WORDS[state])}${from}${reason === null ? "" : `: ${reason}`}`;
}
