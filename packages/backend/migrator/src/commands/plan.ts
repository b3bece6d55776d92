import { readSettings } from "../config.ts";
import { EXIT, MigratorError } from "../errors.ts";
import { eventPrinter } from "../report/events.ts";
import { printReview } from "../report/review-formats.ts";
import { writePlan } from "../review/plan-file.ts";
import { review } from "../review/review.ts";
import { judge } from "../review/verdict.ts";
import { addReviewFlags, reviewFlagsOf } from "./review-flags.ts";
import {
  addLimitFlags,
  addStrictFlag,
  addTargetFlags,
  settingsFrom,
  text,
  type Verb,
  wholeNumber,
} from "./shared.ts";

export const verb: Verb = {
  name: "plan",
  summary: "say what the pending migrations would lock, break, lose and take; exit 1 where that is bad",
  configure(command) {
    addTargetFlags(command);
    addStrictFlag(command);
    addLimitFlags(command, ["--concurrent-lock-timeout", "--retries", "--retry-for"]);
    command
      .option("--to <tag>", "up to this migration; with --down: the one that stays applied")
      .option("--allow-out-of-order", "also those whose place is before an applied one")
      .option("--down", "plan a rollback instead")
      .option("--steps <n>", "with --down: how many to undo (default 1)", wholeNumber("--steps", 1))
      .option("--out <file>", "write the plan for `migrate --plan`");
    addReviewFlags(command);
  },
  async run(flags, output, signal) {
    const { formats, failOn } = reviewFlagsOf(flags, output);
    assertFits(flags);
    const settings = await readSettings(settingsFrom(flags));
    const out = text(flags.out);
    const options = {
      withBasis: out !== undefined || output.json,
      to: text(flags.to),
      allowOutOfOrder: flags.allowOutOfOrder === true,
      down: flags.down === true,
      steps: flags.steps as number | undefined,
    };
    const result = await review(settings, options, eventPrinter(output), signal);
    const verdict = judge(result.migrations, failOn);
    printReview(output, result, { verdict, formats, folder: settings.migrations });
    if (out !== undefined) await writePlan(out, result);
    return verdict.fails ? EXIT.found : EXIT.done;
  },
};

/** A flag that would do nothing is a mistake. */
function assertFits({ down, steps, out, allowOutOfOrder }: Readonly<Record<string, unknown>>): void {
  const idle =
    down === true
      ? [
          ["--out", out],
          ["--allow-out-of-order", allowOutOfOrder],
        ]
      : [["--steps", steps]];
  const given = idle.filter(([, value]) => value !== undefined).map(([flag]) => flag);
  if (given.length === 0) return;
  throw new MigratorError({
    code: "wrong-usage",
    message: `${given.join(" and ")} ${down === true ? "means nothing with --down: only `migrate` can be held to a plan" : "means nothing without --down"}`,
    state: "nothing was done",
    fix: "leave it out",
  });
}
