import type { Command } from "commander";
import { MigratorError } from "../errors.ts";
import type { Output } from "../report/output.ts";
import { assertOneForm, FORMATS, type Format } from "../report/review-formats.ts";
import { FAIL_ON, type FailOn } from "../review/verdict.ts";

/** Flags of the verbs that say what would happen: from when on that is bad, and in which form it is said. */
export function addReviewFlags(command: Command): void {
  const summary = `exit 1 from this severity on: ${FAIL_ON.join(", ")}`;
  command.option("--fail-on <severity>", summary, failOnOf, "high");
  for (const [flag, summary] of Object.entries(FORMATS)) command.option(`--${flag}`, summary);
}

/** @throws MigratorError `wrong-usage` where two forms want stdout */
export function reviewFlagsOf(
  flags: Readonly<Record<string, unknown>>,
  output: Output,
): { readonly formats: readonly Format[]; readonly failOn: FailOn } {
  const formats = Object.keys(FORMATS).filter((format) => flags[format] === true) as readonly Format[];
  assertOneForm(formats, output.json);
  return { formats, failOn: flags.failOn as FailOn };
}

/** @throws MigratorError `wrong-usage` */
function failOnOf(value: string): FailOn {
  const known = FAIL_ON.find((one) => one === value);
  if (known) return known;
  throw new MigratorError({
    code: "wrong-usage",
    message: `--fail-on takes one of ${FAIL_ON.join(", ")}, not ${JSON.stringify(value)}`,
    state: "nothing was done",
    fix: "for example: --fail-on medium",
  });
}
