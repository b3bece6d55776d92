import { migrate } from "../apply/migrate.ts";
import { readSettings, type Settings } from "../config.ts";
import { EXIT } from "../errors.ts";
import type { Listener } from "../events.ts";
import { eventPrinter } from "../report/events.ts";
import { reportMigrate } from "../report/results.ts";
import type { OpenGate } from "../review/gate.ts";
import { addLimitFlags, addStrictFlag, addTargetFlags, settingsFrom, text, type Verb } from "./shared.ts";

export const verb: Verb = {
  name: "migrate",
  summary: "apply what is pending, each migration in a transaction of its own",
  configure(command) {
    addTargetFlags(command);
    addStrictFlag(command);
    addLimitFlags(command);
    command
      .option("--to <tag>", "stop after this migration")
      .option("--allow-out-of-order", "also run migrations whose place is before an applied one")
      .option(
        "--plan <file>",
        "run exactly what `plan --out` wrote there, or refuse and say what has changed",
      )
      .option(
        "--plan-first",
        "make a plan before the run and tell it; refuse where the data does not fit (in production always)",
      )
      .option(
        "--skip-preflight <reason>",
        "run although the data does not fit, without a plan first; the reason is logged",
      );
  },
  async run(flags, output, signal) {
    const read = await readSettings(settingsFrom(flags));
    const settings = { ...read, planFirst: read.planFirst || flags.planFirst === true };
    const options = { to: text(flags.to), allowOutOfOrder: flags.allowOutOfOrder === true };
    const on = eventPrinter(output);
    const asked = { plan: text(flags.plan), skipPreflight: text(flags.skipPreflight) };
    const open = isGuarded(settings, asked) ? await openGate(settings, asked, on, signal) : undefined;
    // Later migrations are none of the plan's.
    const asPlanned = { ...options, to: options.to ?? open?.to };
    reportMigrate(output, await migrate(settings, asPlanned, on, signal, open?.gate));
    return EXIT.done;
  },
};

/** What a run shall be held to. */
interface Asked {
  readonly plan: string | undefined;
  readonly skipPreflight: string | undefined;
}

function isGuarded({ planFirst }: Settings, { plan, skipPreflight }: Asked): boolean {
  return planFirst || plan !== undefined || skipPreflight !== undefined;
}

/** Loaded only here: most runs look at nothing but ledger and folder. */
async function openGate(
  settings: Settings,
  asked: Asked,
  on: Listener,
  signal: AbortSignal,
): Promise<OpenGate> {
  const [{ gateOf }, { showHeld, showSummary }] = await Promise.all([
    import("../review/gate.ts"),
    import("../report/review-words.ts"),
  ]);
  return gateOf(settings, { ...asked, show: { summary: showSummary, held: showHeld } }, on, signal);
}
