import { readConnection } from "../config.ts";
import { reset } from "../database/reset.ts";
import { EXIT } from "../errors.ts";
import { eventPrinter } from "../report/events.ts";
import { addConfigFlags, addUrlFlag, settingsFrom, type Verb } from "./shared.ts";

export const verb: Verb = {
  name: "reset",
  summary: "drop and recreate the local database (never one on another host)",
  configure(command) {
    addConfigFlags(command);
    addUrlFlag(command);
  },
  async run(flags, output) {
    const { connection, production } = await readConnection(settingsFrom(flags));
    const result = await reset(connection, production, eventPrinter(output));
    output.line(`database ${result.database} at ${result.server} was dropped and made anew; it is empty`);
    output.document(result);
    return EXIT.done;
  },
};
