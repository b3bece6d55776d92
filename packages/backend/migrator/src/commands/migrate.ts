import { migrate } from "../apply/migrate.ts";
import { readSettings } from "../config.ts";
import { EXIT } from "../errors.ts";
import { eventPrinter } from "../report/events.ts";
import { reportMigrate } from "../report/results.ts";
import { addLimitFlags, addStrictFlag, addTargetFlags, settingsFrom, text, type Verb } from "./shared.ts";

export const verb: Verb = {
  name: "migrate",
  summary: "apply what is pending, each migration in a transaction of its own",
  configure(command) {
    addTargetFlags(command);
    addStrictFlag(command);
    addLimitFlags(command);
    command
      .option("--to <tag>", "stop after this migration")
      .option("--allow-out-of-order", "also run migrations whose place is before an applied one");
  },
  async run(flags, output, signal) {
    const settings = await readSettings(settingsFrom(flags));
    const options = { to: text(flags.to), allowOutOfOrder: flags.allowOutOfOrder === true };
    reportMigrate(output, await migrate(settings, options, eventPrinter(output), signal));
    return EXIT.done;
  },
};
