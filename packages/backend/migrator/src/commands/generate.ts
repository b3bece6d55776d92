import { relative } from "node:path";
import { readFolderSettings, readSettings } from "../config.ts";
import { EXIT } from "../errors.ts";
import { generate } from "../folder/generate.ts";
import { reportGenerate } from "../report/generate.ts";
import { proveGenerated } from "../verify/generated.ts";
import { addScratchFlags, scratchTarget, settingsFrom, text, type Verb } from "./shared.ts";

export const verb: Verb = {
  name: "generate",
  summary: "have drizzle-kit write the next migration, draft its down file, and prove it",
  configure(command) {
    addScratchFlags(command);
    command
      .option("--name <name>", "what it does, in snake_case, e.g. add_wishlist_rating")
      .option("--custom", "an empty migration, to be written by hand")
      .option("--schema <file>", "the Drizzle schema's entry file")
      .option("--drizzle-config <file>", "drizzle-kit's config file")
      .option("--no-prove", "do not try the down file");
  },
  async run(flags, output, signal) {
    const input = settingsFrom(flags);
    const settings = await readFolderSettings(input);
    const custom = flags.custom === true;
    const result = await generate(settings, { name: text(flags.name), custom });
    // An empty migration has nothing to undo yet.
    const proof =
      result.tag === undefined || custom || flags.prove === false
        ? undefined
        : await proveGenerated(
            result.tag,
            () => readSettings(input),
            (found) => scratchTarget(flags, found),
            signal,
          );
    reportGenerate(output, result, proof, (path) => relative(process.cwd(), path));
    return EXIT.done;
  },
};
