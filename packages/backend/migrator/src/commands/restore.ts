import { restore } from "../apply/restore.ts";
import { readSettings } from "../config.ts";
import { EXIT } from "../errors.ts";
import { eventPrinter } from "../report/events.ts";
import { reportRestore } from "../report/results.ts";
import { addLimitFlags, addTargetFlags, settingsFrom, text, type Verb } from "./shared.ts";

export const verb: Verb = {
  name: "restore",
  summary: "put back the rows that a rollback saved, once the migration is applied again",
  configure(command) {
    addTargetFlags(command);
    addLimitFlags(command);
    command
      .argument("<folder>", "the backup: the folder that the rollback printed")
      .option("--skip-missing", "leave out saved values of rows that were deleted since")
      .option("--overwrite", "put saved values also over others that a column has got since")
      .option("--confirm <database>", "this database's name; needed when the backup is of another one");
  },
  async run(flags, output, signal, [folder = ""]) {
    const settings = await readSettings(settingsFrom(flags));
    const options = {
      confirm: text(flags.confirm),
      overwrite: flags.overwrite === true,
      skipMissing: flags.skipMissing === true,
    };
    reportRestore(output, await restore(settings, folder, options, eventPrinter(output), signal));
    return EXIT.done;
  },
};
