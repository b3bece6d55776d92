import { readSettings } from "../config.ts";
import { EXIT } from "../errors.ts";
import { errorsOf } from "../problem.ts";
import { eventPrinter } from "../report/events.ts";
import { reportStatus } from "../report/status.ts";
import { status } from "../status.ts";
import { addStrictFlag, addTargetFlags, settingsFrom, type Verb, wholeNumber } from "./shared.ts";

export const verb: Verb = {
  name: "status",
  summary: "show every migration with its state; exit 1 when something is wrong",
  configure(command) {
    addTargetFlags(command);
    addStrictFlag(command);
    command.option("--runs [n]", "also show the last runs (default 10)", wholeNumber("--runs", 1));
    command.option("--fail-on-pending", "also exit 1 when migrations are pending (for CI)");
  },
  async run(flags, output) {
    const found = await status(
      await readSettings(settingsFrom(flags)),
      { runs: runsOf(flags.runs) },
      eventPrinter(output),
    );
    reportStatus(output, found);
    const pending = found.migrations.some((migration) => migration.state === "pending");
    const bad = errorsOf(found.problems).length > 0 || (flags.failOnPending === true && pending);
    return bad ? EXIT.found : EXIT.done;
  },
};

const USUAL_RUNS = 10;

function runsOf(value: unknown): number | undefined {
  if (value === true) return USUAL_RUNS;
  return typeof value === "number" ? value : undefined;
}
