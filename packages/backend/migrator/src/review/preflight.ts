import type { Session } from "../database/session.ts";
import type { Observation } from "./observe.ts";
import type { ObservedStatement } from "./observed.ts";
import { type Check, findingOf } from "./preflight/check.ts";
import { typeChange } from "./preflight/conversions.ts";
import { COPY_CHECK, copyFailure } from "./preflight/copy-failures.ts";
import { exclusion } from "./preflight/exclusions.ts";
import { filledInPlan } from "./preflight/filled.ts";
import type { Finding } from "./preflight/finding.ts";
import { foreignKey } from "./preflight/foreign-keys.ts";
import { longKey, uniqueKey } from "./preflight/keys.ts";
import { withLooker } from "./preflight/looker.ts";
import { deleted, droppedColumn, droppedTable, truncated } from "./preflight/losses.ts";
import type { Asking, Moment } from "./preflight/moment.ts";
import { momentsOf } from "./preflight/moments.ts";
import { newPartition, readPartitions } from "./preflight/partitions.ts";
import {
  checkConstraint,
  domainConstraint,
  generatedColumn,
  notNull,
  requiredColumn,
} from "./preflight/rows.ts";
import { readTarget, type TargetFacts } from "./preflight/target.ts";
import { DRIFT, driftedFrom } from "./preflight/there.ts";
import { readTypes } from "./preflight/types.ts";

export type { Finding } from "./preflight/finding.ts";

/** How much is looked at. */
export interface PreflightOptions {
  /** Longest that one question may take, in ms. */
  readonly timeoutMs: number;
  /** Longest that all of them may take, in ms; what is left then is `unknown`. */
  readonly totalMs?: number;
  /** Of tables with more rows a part is looked at, where that answers the question. */
  readonly sampleAboveRows?: number;
}

/** In ms. */
const TOTAL_MS = 8000;

const SAMPLE_ABOVE_ROWS = 5_000_000;

/** Short, since whoever waits for a lock makes others wait behind him; in ms. */
const LOCK_TIMEOUT_MS = 500;

/** What is asked of a statement. */
const ASKINGS: readonly Asking[] = [
  notNull,
  requiredColumn,
  generatedColumn,
  checkConstraint,
  domainConstraint,
  uniqueKey,
  longKey,
  foreignKey,
  exclusion,
  typeChange,
  newPartition,
  droppedTable,
  droppedColumn,
  truncated,
  deleted,
  filledInPlan,
];

/**
 * Asks the target's rows whether each statement of a plan would fail on them, and what it would lose. Changes nothing and
 * keeps nobody waiting: one read-only transaction, which holds a table only while that is read.
 * @param target not in a transaction
 * @throws where the connection is lost
 */
export async function preflight(
  target: Session,
  observation: Observation,
  { timeoutMs, totalMs = TOTAL_MS, sampleAboveRows = SAMPLE_ABOVE_ROWS }: PreflightOptions,
): Promise<ReadonlyMap<ObservedStatement, readonly Finding[]>> {
  const { before, scripts, copy } = observation;
  const facts = [
    before,
    ...scripts.flatMap(({ statements }) => statements.map((statement) => statement.facts)),
  ];
  const [types, about, partitions] = await Promise.all([
    readTypes(copy.sql, facts),
    readTarget(target, copy.sql, before),
    readPartitions(copy.sql),
  ]);
  const moments = await momentsOf(observation, { types, target: about, partitions, sampleAboveRows });
  const findings = new Map<ObservedStatement, readonly Finding[]>();
  await withLooker(target, { timeoutMs, totalMs, lockTimeoutMs: LOCK_TIMEOUT_MS }, async (looker) => {
    const asked = moments.map((moment) => ({ moment, checks: checksOf(moment, about) }));
    const found = new Map<Check, Finding | undefined>();
    const late: Check[] = [];
    for (const check of asked.flatMap(({ checks }) => checks)) {
      const finding = await findingOf(looker, check, check.glance ?? check.ask);
      if (finding === undefined && check.glance) late.push(check);
      else found.set(check, finding);
    }
    for (const check of late) found.set(check, await findingOf(looker, check));
    for (const { moment, checks } of asked) {
      const own = checks.flatMap((check) => found.get(check) ?? []);
      // What a statement changes itself is not what it depends on.
      const told = own.map((one) => (one.dependsOn === moment.name ? { ...one, dependsOn: undefined } : one));
      findings.set(moment.statement, withoutDoubts(told));
    }
  });
  return findings;
}

/** Where something fails, why a copy's few rows were in the way does not matter; where the copy refused it, what passes neither. */
function withoutDoubts(found: readonly Finding[]): readonly Finding[] {
  const failing = found.filter(({ outcome }) => outcome === "fails");
  if (failing.length === 0) return found;
  const isRefused = failing.some(({ check }) => check === COPY_CHECK);
  const drifted = new Set(failing.filter(({ check }) => check === DRIFT).map(({ object }) => object));
  return found.filter(
    ({ check, object, outcome }) =>
      ((check !== COPY_CHECK && !drifted.has(object)) || outcome !== "unknown") &&
      (!isRefused || outcome !== "passes"),
  );
}

function checksOf(moment: Moment, target: TargetFacts): readonly Check[] {
  return [
    ...copyFailure(moment),
    ...driftedFrom(target, moment),
    ...ASKINGS.flatMap((asking) => asking(moment)),
  ];
}
