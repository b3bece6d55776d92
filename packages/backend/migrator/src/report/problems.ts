import type { Problem } from "../problem.ts";
import { noteColors as colors, type Output } from "./output.ts";

/** Prints problems to stderr, each with its fix; neighbours that have the same fix share it. */
export function noteProblems(output: Output, problems: readonly Problem[]): void {
  for (const [index, { severity, code, message, fix }] of problems.entries()) {
    const head = severity === "error" ? colors.red("error") : colors.yellow("warning");
    output.note(`${head} ${code}: ${message}`);
    if (problems[index + 1]?.fix !== fix) output.note(`  fix: ${fix}`);
  }
}
