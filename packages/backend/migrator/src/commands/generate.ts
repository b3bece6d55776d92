import { relative } from "node:path";
import { readFolderSettings } from "../config.ts";
import { EXIT } from "../errors.ts";
import { generate } from "../folder/generate.ts";
import { reportGenerate } from "../report/results.ts";
import { addProjectFlags, settingsFrom, text, type Verb } from "./shared.ts";

export const verb: Verb = {
  name: "generate",
  summary: "have drizzle-kit write the next migration, and draft its down file",
  configure(command) {
    addProjectFlags(command);
    command
      .option("--name <name>", "what it does, in snake_case, e.g. add_wishlist_rating")
      .option("--custom", "an empty migration, to be written by hand")
      .option("--schema <file>", "the Drizzle schema's entry file")
      .option("--drizzle-config <file>", "drizzle-kit's config file");
  },
  async run(flags, output) {
    const settings = await readFolderSettings(settingsFrom(flags));
    const result = await generate(settings, { name: text(flags.name), custom: flags.custom === true });
    reportGenerate(output, result, (path) => relative(process.cwd(), path));
    return EXIT.done;
  },
};
