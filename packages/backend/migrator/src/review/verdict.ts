import { SEVERITIES, type Severity } from "./hazards/hazard.ts";
import type { MigrationReview } from "./reviewed.ts";

/** From which severity on a plan fails; preflight failures always do, unless nothing shall. */
export type FailOn = Severity | "none";

export const FAIL_ON: readonly FailOn[] = [...SEVERITIES, "none"];

/** Whether a plan is bad enough to stop for. */
export interface Verdict {
  readonly fails: boolean;
  /** In one line. */
  readonly words: string;
}

export function judge(migrations: readonly MigrationReview[], failOn: FailOn): Verdict {
  const summaries = migrations.map(({ summary }) => summary);
  const total = (of: (summary: (typeof summaries)[number]) => number) =>
    summaries.reduce((sum, summary) => sum + of(summary), 0);
  const fails = total((summary) => summary.fails);
  const hazards = [...SEVERITIES]
    .reverse()
    .map((severity) => ({ severity, number: total((summary) => summary.hazards[severity]) }));
  const told = [
    ...(fails === 0 ? [] : [`${fails} preflight ${fails === 1 ? "failure" : "failures"}`]),
    ...hazards.flatMap(({ severity, number }) =>
      number === 0 ? [] : [`${number} ${severity} ${number === 1 ? "hazard" : "hazards"}`],
    ),
  ].join(", ");
  if (told === "") return { fails: false, words: "nothing stands against it" };
  const isBad = (severity: Severity) =>
    failOn !== "none" && SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(failOn);
  const fail =
    failOn !== "none" && (fails > 0 || hazards.some(({ severity, number }) => number > 0 && isBad(severity)));
  return { fails: fail, words: fail ? `${told}: not safe to run as it is (--fail-on ${failOn})` : told };
}
