import { relative } from "node:path";
import { readSettings } from "../config.ts";
import { EXIT } from "../errors.ts";
import { reportDowns } from "../report/downs.ts";
import { draftDowns } from "../verify/downs.ts";
import { addScratchFlags, scratchTarget, settingsFrom, type Verb } from "./shared.ts";

export const verb: Verb = {
  name: "downs",
  summary: "draft the down files that the folder lacks, and prove each; exit 1 where one is not proved",
  configure(command) {
    addScratchFlags(command);
    command
      .option("--write", "write them; without it they are only shown")
      .option("--schema <file>", "the Drizzle schema's entry file: drizzle-kit is looked for beside it")
      .option("--drizzle-config <file>", "drizzle-kit's config file, likewise");
  },
  async run(flags, output, signal) {
    const settings = await readSettings(settingsFrom(flags));
    const options = { write: flags.write === true };
    const result = await draftDowns(settings, scratchTarget(flags, settings), options, signal);
    reportDowns(output, result, (path) => relative(process.cwd(), path));
    return result.drafts.every(({ state }) => state === "proved") ? EXIT.done : EXIT.found;
  },
};
