import { rollback } from "../apply/rollback.ts";
import { readSettings, type Settings } from "../config.ts";
import { withServer } from "../database/connect.ts";
import { EXIT, MigratorError, messageOf } from "../errors.ts";
import type { Listener } from "../events.ts";
import { eventPrinter } from "../report/events.ts";
import { type RollbackCheck, reportRollback } from "../report/results.ts";
import { checkDrift } from "../verify/drift.ts";
import { addLimitFlags, addTargetFlags, settingsFrom, text, type Verb, wholeNumber } from "./shared.ts";

export const verb: Verb = {
  name: "rollback",
  summary: "undo the last applied migrations by their down files",
  configure(command) {
    addTargetFlags(command);
    addLimitFlags(command);
    command
      .option("--steps <n>", "how many to undo (default 1)", wholeNumber("--steps", 1))
      .option("--to <tag>", "undo everything applied after this migration, which stays")
      .option(
        "--allow-data-loss",
        "go on although tables or columns that hold rows are dropped; these are saved",
      )
      .option("--backup-folder <folder>", 'where they are saved (MIGRATOR_BACKUPS; default "backups" here)')
      .option("--no-backup <reason>", "do not save them; the run log keeps the reason")
      .option("--confirm <database>", "the database's name; needed when NODE_ENV is production");
  },
  async run(flags, output, signal) {
    if (flags.steps !== undefined && flags.to !== undefined) throw bothGiven();
    const settings = await readSettings(settingsFrom(flags));
    const options = {
      steps: flags.steps as number | undefined,
      to: text(flags.to),
      allowDataLoss: flags.allowDataLoss === true,
      // commander takes it for the negation of --backup: true while nobody says it.
      noBackup: text(flags.backup),
      confirm: text(flags.confirm),
    };
    const on = eventPrinter(output);
    // One server for both: the embedded one is not stopped and started again between them.
    const work = async (url: string) => {
      const here: Settings = { ...settings, connection: { kind: "url", url } };
      const result = await rollback(here, options, on, signal);
      const check = result.rolledBack.length === 0 ? undefined : await checkAfterwards(here, on, signal);
      reportRollback(output, { ...result, ...(check && { check }) });
    };
    await withServer(settings.connection, work, on);
    return EXIT.done;
  },
};

/** The rollback stands, whatever comes of this. */
async function checkAfterwards(
  settings: Settings,
  on: Listener,
  signal: AbortSignal,
): Promise<RollbackCheck> {
  try {
    return { drift: (await checkDrift(settings, {}, on, signal)).drift };
  } catch (error) {
    return { drift: null, reason: messageOf(error) };
  }
}

function bothGiven(): MigratorError {
  return new MigratorError({
    code: "wrong-usage",
    message: "--steps and --to say the same thing in two ways",
    state: "nothing was rolled back",
    fix: "give one of them",
  });
}
