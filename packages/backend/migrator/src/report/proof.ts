import type { Proof, ProofState, ProveResult } from "../verify/proof.ts";
import { lineColors as colors, type Output } from "./output.ts";
import { count, duration } from "./text.ts";

/** A line for each migration, below it what its down leaves different, and the sum. */
export function reportProofs(output: Output, result: ProveResult): void {
  for (const proof of result.migrations) {
    output.line(lineOf(proof));
    for (const { text } of proof.differences) output.line(`  ${text}`);
  }
  output.line(`${result.migrations.length === 0 ? "" : "\n"}${verdict(result)}`);
  output.document(result);
}

function lineOf({ tag, state, reason, durationMs }: Proof): string {
  const color = COLORS[state];
  return `${tag}  ${color(state)}${reason === null ? "" : `: ${reason}`}  ${colors.dim(duration(durationMs))}`;
}

const COLORS: Readonly<Record<ProofState, (text: string) => string>> = {
  proved: colors.green,
  irreversible: colors.yellow,
  missing: colors.red,
  failed: colors.red,
};

function verdict({ migrations, durationMs }: ProveResult): string {
  const states: readonly ProofState[] = ["proved", "irreversible", "missing", "failed"];
  const sums = states
    .map((state) => ({ state, sum: migrations.filter((proof) => proof.state === state).length }))
    .filter(({ sum }) => sum > 0)
    .map(({ state, sum }) => `${sum} ${state}`);
  return `${count(migrations.length, "migration")}: ${sums.join(", ") || "nothing to prove"}; ${duration(durationMs)}`;
}
