import type { Clearance, Gate } from "../apply/migrate.ts";
import { interrupted } from "../apply/retry.ts";
import type { Settings } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { EXIT, MigratorError, messageOf } from "../errors.ts";
import type { Expected, Listener } from "../events.ts";
import type { Survey } from "../survey.ts";
import { assertAsPlanned, type PlanFile, readPlan } from "./plan-file.ts";
import { showExamples } from "./preflight/words.ts";
import { basisNow, reviewSurvey } from "./review.ts";
import type { MigrationReview, Summary } from "./reviewed.ts";

export interface GateOptions {
  /** File that `plan --out` wrote: the run is that plan, or none. */
  readonly plan?: string | undefined;
  /** Why preflight failures shall not stop the run. */
  readonly skipPreflight?: string | undefined;
  /** How a plan is told: in one line, and for how long its locks are held. */
  readonly show: { summary(summary: Summary): string; held(held: Summary["held"]): string };
}

/** What a run is held to, and how far it goes. */
export interface OpenGate {
  readonly gate: Gate;
  /** The plan's last migration. */
  readonly to: string | undefined;
}

/**
 * What a run has to pass: the plan it is held to, and where a plan is made first the preflight on the data as it is now.
 * @throws MigratorError `plan-unreadable`, `wrong-usage`
 */
export async function gateOf(
  settings: Settings,
  options: GateOptions,
  on: Listener,
  signal: AbortSignal,
): Promise<OpenGate> {
  assertReason(options.skipPreflight);
  const plan = options.plan === undefined ? undefined : await readPlan(options.plan);
  const gate: Gate = async (database, now) => {
    if (plan) assertAsPlanned(plan, await basisNow(settings, database, now));
    const reviewed = await reviewNow(settings, options, { database, now }, on, signal);
    const failing = reviewed.filter(({ summary }) => summary.fails > 0);
    if (failing.length > 0) throw refusal(failing, now.inspection.facts.database);
    return clearanceOf(plan?.migrations ?? reviewed, options);
  };
  return { gate, to: plan?.migrations.at(-1)?.tag };
}

/** A plan takes seconds: in production, and where somebody wants it. That none can be made is no reason not to run. */
async function reviewNow(
  settings: Settings,
  { skipPreflight }: GateOptions,
  { database, now }: { readonly database: Database; readonly now: Survey },
  on: Listener,
  signal: AbortSignal,
): Promise<readonly MigrationReview[]> {
  if (!settings.planFirst || skipPreflight !== undefined) return [];
  try {
    return (await reviewSurvey(settings, database, now, {}, on, signal)).migrations;
  } catch (error) {
    if (signal.aborted) throw interrupted(error).withState("nothing was applied");
    on({ type: "warning", message: `the data was not looked at before the run: ${messageOf(error)}` });
    return [];
  }
}

type Told = PlanFile["migrations"] | readonly MigrationReview[];

function clearanceOf(migrations: Told, { skipPreflight, show }: GateOptions): Clearance {
  const expected = new Map<string, Expected>();
  for (const { tag, summary } of migrations) {
    const told = summary as Summary;
    expected.set(tag, { summary: show.summary(told), held: told.tables === 0 ? null : show.held(told.held) });
  }
  return { expected, note: skipPreflight === undefined ? undefined : `preflight skipped: ${skipPreflight}` };
}

function assertReason(reason: string | undefined): void {
  if (reason === undefined || reason.trim() !== "") return;
  throw new MigratorError({
    code: "wrong-usage",
    message: "--skip-preflight needs a reason, which goes to the run log",
    state: "nothing was applied",
    fix: 'for example: --skip-preflight "the rows are mended by hand, ticket 1234"',
    exitCode: EXIT.refused,
  });
}

function refusal(failing: readonly MigrationReview[], database: string): MigratorError {
  return new MigratorError({
    code: "preflight-failed",
    message: `the data in ${database} does not fit ${failing.map(({ tag }) => tag).join(", ")}`,
    details: failing.flatMap(({ fileName, statements }) =>
      statements.flatMap(({ number, line, preflight }) =>
        preflight
          .filter(({ outcome }) => outcome === "fails")
          .map(({ message, examples }) => {
            const some = examples.length === 0 ? "" : ` (${showExamples(examples)})`;
            return `${fileName}, statement ${number}, line ${line}: ${message}${some}`;
          }),
      ),
    ),
    state: "nothing was applied",
    fix: "mend the data or the migration (migrator plan says more), or, if you know better: --skip-preflight <reason>",
    exitCode: EXIT.refused,
  });
}
