import { migrate } from "../apply/migrate.ts";
import { readSettings } from "../config.ts";
import { EXIT } from "../errors.ts";
import { eventPrinter } from "../report/events.ts";
import { reportMigrate } from "../report/results.ts";
import { addTargetFlags, settingsFrom, text, type Verb, wholeNumber } from "./shared.ts";

export const verb: Verb = {
  name: "migrate",
  summary: "apply what is pending, each migration in a transaction of its own",
  configure(command) {
    addTargetFlags(command);
    command
      .option("--to <tag>", "stop after this migration")
      .option("--allow-out-of-order", "also run migrations whose place is before an applied one")
      .option(
        "--lock-wait <seconds>",
        "longest wait for another runner (default 60)",
        wholeNumber("--lock-wait", 0),
      );
  },
  async run(flags, output) {
    const settings = await readSettings(settingsFrom(flags));
    const options = { to: text(flags.to), allowOutOfOrder: flags.allowOutOfOrder === true };
    reportMigrate(output, await migrate(settings, options, eventPrinter(output)));
    return EXIT.done;
  },
};
