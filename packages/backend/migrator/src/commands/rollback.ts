import { rollback } from "../apply/rollback.ts";
import { readSettings } from "../config.ts";
import { EXIT, MigratorError } from "../errors.ts";
import { eventPrinter } from "../report/events.ts";
import { reportRollback } from "../report/results.ts";
import { addLimitFlags, addTargetFlags, settingsFrom, text, type Verb, wholeNumber } from "./shared.ts";

export const verb: Verb = {
  name: "rollback",
  summary: "undo the last applied migrations by their down files",
  configure(command) {
    addTargetFlags(command);
    addLimitFlags(command);
    command
      .option("--steps <n>", "how many to undo (default 1)", wholeNumber("--steps", 1))
      .option("--to <tag>", "undo everything applied after this migration, which stays")
      .option("--allow-data-loss", "go on although tables or columns that hold rows are dropped")
      .option("--confirm <database>", "the database's name; needed when NODE_ENV is production");
  },
  async run(flags, output, signal) {
    if (flags.steps !== undefined && flags.to !== undefined) throw bothGiven();
    const settings = await readSettings(settingsFrom(flags));
    const options = {
      steps: flags.steps as number | undefined,
      to: text(flags.to),
      allowDataLoss: flags.allowDataLoss === true,
      confirm: text(flags.confirm),
    };
    reportRollback(output, await rollback(settings, options, eventPrinter(output), signal));
    return EXIT.done;
  },
};

function bothGiven(): MigratorError {
  return new MigratorError({
    code: "wrong-usage",
    message: "--steps and --to say the same thing in two ways",
    state: "nothing was rolled back",
    fix: "give one of them",
  });
}
