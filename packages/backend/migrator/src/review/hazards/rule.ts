import type { Hazard, HazardContext, Severity } from "./hazard.ts";

/** One kind of hazard, as data: the report, the page of documentation and the tests are made of it. */
export interface HazardKind {
  /** Stable, kebab-case. */
  readonly id: string;
  readonly severity: Severity;
  /** What it is, in a few words. */
  readonly title: string;
  /** What it does to running code or traffic. */
  readonly effect: string;
  /** The safer form, in words; `find` gives it as SQL where it can. */
  readonly safer: string;
}

/** A kind of hazard that is found in what was observed. */
export interface Rule extends HazardKind {
  readonly find: (context: HazardContext) => readonly Found[];
}

/** A hazard as a rule finds it. */
export interface Found {
  /** In the user's own names. */
  readonly message: string;
  /** SQL in the user's own names; without it, the rule's words. */
  readonly safer?: string | undefined;
  /** Where it is not the rule's. */
  readonly severity?: Severity | undefined;
}

/** A hazard of a kind. */
export function hazardOf(
  kind: HazardKind,
  { message, safer, severity }: Found,
  source: Hazard["source"] = "migrator",
): Hazard {
  return {
    id: kind.id,
    severity: severity ?? kind.severity,
    message,
    effect: kind.effect,
    safer: safer ?? kind.safer,
    source,
    allowed: undefined,
  };
}
