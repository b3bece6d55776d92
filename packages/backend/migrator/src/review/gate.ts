import type { Clearance, Gate } from "../apply/migrate.ts";
import type { Settings } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { EXIT, MigratorError } from "../errors.ts";
import type { Expected, Listener } from "../events.ts";
import type { Survey } from "../survey.ts";
import { assertAsPlanned, type PlanFile, readPlan } from "./plan-file.ts";
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

/** Codes of what keeps a plan from being made, and not a run. */
const UNABLE = new Set(["no-scratch", "cannot-check"]);

/**
 * What a run has to pass: the plan it is held to, and in production the preflight on the data.
 * @throws MigratorError `plan-unreadable`, `wrong-usage`
 */
export async function gateOf(
  settings: Settings,
  options: GateOptions,
  on: Listener,
  signal: AbortSignal,
): Promise<Gate> {
  assertReason(options.skipPreflight);
  const plan = options.plan === undefined ? undefined : await readPlan(options.plan);
  return async (database, now) => {
    if (plan) assertAsPlanned(plan, await basisNow(settings, database, now));
    const migrations = plan?.migrations ?? (await reviewed(settings, options, { database, now }, on, signal));
    const failing = migrations.filter(({ summary }) => summary.fails > 0).map(({ tag }) => tag);
    if (failing.length > 0 && settings.production && options.skipPreflight === undefined)
      throw refusal(failing);
    return clearanceOf(migrations, options);
  };
}

type Told = PlanFile["migrations"] | readonly MigrationReview[];

/** Only production is worth the time of a plan that nobody has asked for. */
async function reviewed(
  settings: Settings,
  { skipPreflight }: GateOptions,
  { database, now }: { readonly database: Database; readonly now: Survey },
  on: Listener,
  signal: AbortSignal,
): Promise<Told> {
  if (!settings.production || skipPreflight !== undefined) return [];
  try {
    return (await reviewSurvey(settings, database, now, {}, on, signal)).migrations;
  } catch (error) {
    if (!(error instanceof MigratorError) || !UNABLE.has(error.code)) throw error;
    on({ type: "warning", message: `the data was not looked at before the run: ${error.message}` });
    return [];
  }
}

function clearanceOf(migrations: Told, { skipPreflight, show }: GateOptions): Clearance {
  const expected = new Map<string, Expected>();
  for (const { tag, summary } of migrations) {
    const told = summary as Summary;
    expected.set(tag, { summary: show.summary(told), held: show.held(told.held) });
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

function refusal(tags: readonly string[]): MigratorError {
  return new MigratorError({
    code: "preflight-failed",
    message: `NODE_ENV is production, and the data there does not fit ${tags.join(", ")}`,
    state: "nothing was applied",
    fix: "see what is in the way: migrator plan; then mend the data or the migration, or, if you know better: --skip-preflight <reason>",
    exitCode: EXIT.refused,
  });
}
