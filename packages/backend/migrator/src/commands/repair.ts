import { repair } from "../apply/repair.ts";
import { readSettings } from "../config.ts";
import { EXIT } from "../errors.ts";
import { eventPrinter } from "../report/events.ts";
import { reportRepair } from "../report/results.ts";
import { addLimitFlags, addTargetFlags, settingsFrom, type Verb } from "./shared.ts";

export const verb: Verb = {
  name: "repair",
  summary: "show how ledger rows would be brought in line with the files; --write does it",
  configure(command) {
    addTargetFlags(command);
    addLimitFlags(command, ["--concurrent-lock-timeout"]);
    command
      .option("--accept <tag...>", "edited files whose present text shall count as what was applied")
      .option("--forget <tag...>", "migrations whose cut run shall be forgotten, to begin the file anew")
      .option("--write", "make the changes");
  },
  async run(flags, output, signal) {
    const settings = await readSettings(settingsFrom(flags));
    const options = { accept: tags(flags.accept), forget: tags(flags.forget), write: flags.write === true };
    reportRepair(output, await repair(settings, options, eventPrinter(output), signal));
    return EXIT.done;
  },
};

function tags(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
