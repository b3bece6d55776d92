import { type BaselineOptions, baseline } from "../apply/baseline.ts";
import { readSettings } from "../config.ts";
import { EXIT } from "../errors.ts";
import { eventPrinter } from "../report/events.ts";
import { reportBaseline } from "../report/results.ts";
import { assertMade } from "../verify/drift.ts";
import { addLimitFlags, addTargetFlags, settingsFrom, text, type Verb } from "./shared.ts";

export const verb: Verb = {
  name: "baseline",
  summary: "write the ledger of a database that has the schema already, without running any SQL",
  configure(command) {
    addTargetFlags(command);
    addLimitFlags(command, ["--concurrent-lock-timeout"]);
    command.option("--to <tag>", "last migration that the database has (default: the last of the folder)");
  },
  async run(flags, output, signal) {
    const settings = await readSettings(settingsFrom(flags));
    const on = eventPrinter(output);
    const options: BaselineOptions = {
      to: text(flags.to),
      assertMade: (database, claimed) => assertMade(settings, database, claimed, on, signal),
    };
    reportBaseline(output, await baseline(settings, options, on, signal));
    return EXIT.done;
  },
};
