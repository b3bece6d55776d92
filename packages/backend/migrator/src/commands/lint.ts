import { readSettings } from "../config.ts";
import { EXIT } from "../errors.ts";
import { printLint } from "../report/review-formats.ts";
import { lint } from "../review/lint.ts";
import { judge } from "../review/verdict.ts";
import { addReviewFlags, reviewFlagsOf } from "./review-flags.ts";
import { addScratchFlags, scratchTarget, settingsFrom, text, type Verb } from "./shared.ts";

export const verb: Verb = {
  name: "lint",
  summary: "say what new migrations would lock and break, without a database; for pull requests",
  configure(command) {
    addScratchFlags(command);
    command.option("--base <ref>", "only migrations that this git ref does not have (default: all)");
    addReviewFlags(command);
  },
  async run(flags, output, signal) {
    const { formats, failOn } = reviewFlagsOf(flags, output);
    const settings = await readSettings(settingsFrom(flags));
    const result = await lint(settings, { base: text(flags.base) }, scratchTarget(flags, settings), signal);
    const verdict = judge(result.migrations, failOn);
    printLint(output, result, { verdict, formats, folder: settings.migrations });
    return verdict.fails ? EXIT.found : EXIT.done;
  },
};
