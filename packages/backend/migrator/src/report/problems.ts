import type { Problem } from "../problem.ts";
import { noteColors as colors, type Output } from "./output.ts";

/** Prints problems to stderr, each with its fix. */
export function noteProblems(output: Output, problems: readonly Problem[]): void {
  for (const { severity, code, message, fix } of problems) {
    const head = severity === "error" ? colors.red("error") : colors.yellow("warning");
    output.note(`${head} ${code}: ${message}\n  fix: ${fix}`);
  }
}
