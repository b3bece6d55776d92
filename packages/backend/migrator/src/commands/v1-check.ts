import { readSettings } from "../config.ts";
import { EXIT } from "../errors.ts";
import { eventPrinter } from "../report/events.ts";
import { reportV1 } from "../report/results.ts";
import { v1Check } from "../verify/v1-check.ts";
import { addTargetFlags, settingsFrom, type Verb } from "./shared.ts";

export const verb: Verb = {
  name: "v1-check",
  summary: "say what would hurt on the day of Drizzle v1; exit 1 when something would",
  configure: addTargetFlags,
  async run(flags, output) {
    const result = await v1Check(await readSettings(settingsFrom(flags)), eventPrinter(output));
    reportV1(output, result);
    return result.findings.length > 0 ? EXIT.found : EXIT.done;
  },
};
