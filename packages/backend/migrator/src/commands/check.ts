import { readSettings } from "../config.ts";
import { EXIT } from "../errors.ts";
import { reportDrift } from "../report/drift.ts";
import { eventPrinter } from "../report/events.ts";
import { checkDrift } from "../verify/drift.ts";
import { checkFolder } from "../verify/folder-check.ts";
import { addLimitFlags, addTargetFlags, settingsFrom, type Verb } from "./shared.ts";

export const verb: Verb = {
  name: "check",
  summary:
    "compare the database with what its migrations say; exit 1 for drift, 2 where that cannot be checked",
  configure(command) {
    addTargetFlags(command);
    addLimitFlags(command, ["--concurrent-lock-timeout", "--retries", "--retry-for"]);
    command
      .option(
        "--folder",
        "compare the folder with its last snapshot and the Drizzle schema instead; no database is read",
      )
      .option("--privileges", "grants count too")
      .option("--github", "also print annotations for GitHub Actions");
  },
  async run(flags, output, signal) {
    const settings = await readSettings(settingsFrom(flags));
    const options = { privileges: flags.privileges === true };
    const result =
      flags.folder === true
        ? await checkFolder(settings, options, signal)
        : await checkDrift(settings, options, eventPrinter(output), signal);
    reportDrift(output, result, { github: flags.github === true });
    return result.drift.length > 0 ? EXIT.found : EXIT.done;
  },
};
