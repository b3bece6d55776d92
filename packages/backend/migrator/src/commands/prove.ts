import { readSettings } from "../config.ts";
import { EXIT } from "../errors.ts";
import { reportProofs } from "../report/proof.ts";
import { prove } from "../verify/proof.ts";
import { addScratchFlags, scratchTarget, settingsFrom, text, type Verb } from "./shared.ts";

export const verb: Verb = {
  name: "prove",
  summary:
    "try on scratch databases whether each down file undoes its migration; exit 1 where one does not, 2 where that cannot be checked",
  configure(command) {
    addScratchFlags(command);
    command
      .option("--from <tag>", "begin with this migration; those before it are only applied")
      .option("--to <tag>", "end with this migration");
  },
  async run(flags, output, signal) {
    const settings = await readSettings(settingsFrom(flags));
    const options = { from: text(flags.from), to: text(flags.to) };
    const result = await prove(settings, scratchTarget(flags, settings), options, signal);
    reportProofs(output, result);
    const proved = result.migrations.every(({ state }) => state === "proved" || state === "irreversible");
    return proved ? EXIT.done : EXIT.found;
  },
};
