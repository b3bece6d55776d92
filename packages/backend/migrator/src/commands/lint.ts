import { readSettings } from "../config.ts";
import { EXIT } from "../errors.ts";
import { assertOneForm, FORMATS, type Format, printLint } from "../report/review-formats.ts";
import { lint } from "../review/lint.ts";
import { FAIL_ON, type FailOn, judge } from "../review/verdict.ts";
import { failOnOf } from "./plan.ts";
import { addScratchFlags, scratchTarget, settingsFrom, text, type Verb } from "./shared.ts";

export const verb: Verb = {
  name: "lint",
  summary: "say what new migrations would lock and break, without a database; for pull requests",
  configure(command) {
    addScratchFlags(command);
    command
      .option("--base <ref>", "only migrations that this git ref does not have (default: all)")
      .option(
        "--fail-on <severity>",
        `exit 1 from this severity on: ${FAIL_ON.join(", ")}`,
        failOnOf,
        "high",
      );
    for (const [flag, summary] of Object.entries(FORMATS)) command.option(`--${flag}`, summary);
  },
  async run(flags, output, signal) {
    const formats = Object.keys(FORMATS).filter((format) => flags[format] === true) as readonly Format[];
    assertOneForm(formats, output.json);
    const settings = await readSettings(settingsFrom(flags));
    const result = await lint(settings, { base: text(flags.base) }, scratchTarget(flags, settings), signal);
    const verdict = judge(result.migrations, flags.failOn as FailOn);
    printLint(output, result, { verdict, formats, folder: settings.migrations });
    return verdict.fails ? EXIT.found : EXIT.done;
  },
};
