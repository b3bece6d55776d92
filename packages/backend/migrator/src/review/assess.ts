import type { Database } from "../database/connect.ts";
import type { LastRun } from "../database/run-log-rows.ts";
import type { Session } from "../database/session.ts";
import { lineOf } from "../folder/statements.ts";
import { classOf, type DurationClass, estimate, type Pace, timeServer } from "./durations.ts";
import type { Relation } from "./facts.ts";
import { findHazards } from "./hazards/find.ts";
import type { Hazard, Heat } from "./hazards/hazard.ts";
import { blockingOf, compareModes, type LockMode } from "./locks.ts";
import type { Observation } from "./observe.ts";
import type { ObservedScript, ObservedStatement } from "./observed.ts";
import { failuresOf } from "./preflight/copy-failures.ts";
import { type Finding, preflight } from "./preflight.ts";
import type { LockReview, MigrationReview, StatementReview, Summary, Weight } from "./reviewed.ts";
import { readTarget, type Target } from "./target.ts";
import { inTheWayOf } from "./weigh.ts";

/** What is known beside the observation. */
export interface Circumstances {
  /** Of the scratch server, e.g. 17. */
  readonly major: number;
  /** A session on the target; undefined where a folder is looked at without a database. */
  readonly session: Session | undefined;
  readonly runs: readonly LastRun[];
}

export async function assess(
  observation: Observation,
  { major, session, runs }: Circumstances,
): Promise<readonly MigrationReview[]> {
  const target = session && (await readTarget(session, observation));
  const [pace, findings, hazards] = await Promise.all([
    session && timeCopy(observation.copy),
    session && preflight(session, observation, PREFLIGHT),
    findHazards(observation, heatOf(observation, target), { major, invalidIndexes: target?.invalidIndexes }),
  ]);
  return observation.scripts.map((script) => {
    const { tag } = script.migration;
    const statements = script.statements.map((statement): StatementReview => {
      const { number, sql, transaction, alone, failure, untried } = statement;
      return {
        number,
        sql,
        line: lineOf(statement, undefined),
        transaction: transaction + 1,
        alone,
        locks: locksDuring(script, statement, target, pace),
        hazards: hazards.get(statement) ?? [],
        preflight: findings === undefined ? failuresOf(statement) : (findings.get(statement) ?? []),
        weight: weightOf(statement, target, pace),
        failure: failure?.words,
        untried,
      };
    });
    const { fileName, hash } = script.script;
    const last = runs.find((run) => run.tag === tag && run.hash === hash && run.direction === "up");
    const summary = { ...summaryOf(statements), tookMs: last?.durationMs ?? null };
    return { tag, fileName, hash, statements, summary };
  });
}

/** How long the rows may be asked: a plan shall be there while somebody still waits for it. */
const PREFLIGHT = { timeoutMs: 5000, totalMs: 8000 } as const;

/** By a session of its own: the other one is asked for names and types meanwhile. */
async function timeCopy(copy: Database): Promise<Pace> {
  const side = copy.openSide();
  try {
    return await timeServer(side);
  } finally {
    await side.end({ timeout: 1 });
  }
}

function heatOf({ before }: Observation, target: Target | undefined): Heat {
  const rowsOf = (oid: number) => target?.weights.get(oid)?.rows ?? undefined;
  return { rowsOf, isHot: (oid) => before.relations.has(oid) && rowsOf(oid) !== 0 };
}

interface Taken {
  readonly relation: Relation;
  readonly mode: LockMode;
  readonly since: ObservedStatement;
}

/** What is held while a statement runs: its own locks, and those of the statements before it in its transaction. */
function locksDuring(
  { statements }: ObservedScript,
  statement: ObservedStatement,
  target: Target | undefined,
  pace: Pace | undefined,
): readonly LockReview[] {
  const fellows = statements.filter(({ transaction }) => transaction === statement.transaction);
  const taken = new Map<number, Taken>();
  for (const since of fellows.slice(0, fellows.indexOf(statement) + 1)) {
    for (const { relation, mode } of since.locks) {
      const known = taken.get(relation.oid);
      if (known === undefined || compareModes(known.mode, mode) < 0)
        taken.set(relation.oid, { relation, mode, since });
    }
  }
  return [...taken.values()]
    .map(({ relation, mode, since }): LockReview => {
      const own = statement.locks.find((lock) => lock.relation.oid === relation.oid);
      const weight = target?.weights.get(relation.oid);
      const held = fellows.slice(fellows.indexOf(since));
      const each = held.map((one) => msOf(one, target, pace));
      const heldMs = each.includes(null) ? null : Math.round(sum(each.map((ms) => ms ?? 0)));
      return {
        object: `${relation.schema}.${relation.name}`,
        kind: kindOf(relation),
        mode,
        blocks: blockingOf(mode),
        since: since.number,
        rewrites: own?.rewrites ?? false,
        scans: own?.scans ?? false,
        held: classOrUnknown(heldMs),
        heldMs,
        rows: weight?.rows ?? null,
        bytes: weight?.totalBytes ?? null,
        inTheWay: inTheWayOf(target?.occupants ?? [], relation.oid, mode).map(({ session }) => session),
      };
    })
    .sort((a, b) => compareModes(b.mode, a.mode) || (a.object < b.object ? -1 : 1));
}

function kindOf({ kind }: Relation): LockReview["kind"] {
  if (kind === "i" || kind === "I") return "index";
  if (kind === "S") return "sequence";
  return kind === "v" ? "view" : "table";
}

/** Null where it goes through what nobody knows the size of. */
function msOf(
  statement: ObservedStatement,
  target: Target | undefined,
  pace: Pace | undefined,
): number | null {
  const worked = statement.locks.filter(({ rewrites, scans }) => rewrites || scans);
  if (worked.some(({ relation }) => target?.weights.has(tableOf(relation)) !== true)) return null;
  return estimate(statement, target?.weights ?? new Map(), pace ?? NO_PACE);
}

/** For statements that go through nothing. */
const NO_PACE: Pace = { scan: 0, index: 0, rewrite: 0 };

/** Of an index its table, whose size it shares. */
function tableOf({ oid, owner }: Relation): number {
  return owner ?? oid;
}

function classOrUnknown(ms: number | null): DurationClass | "unknown" {
  return ms === null ? "unknown" : classOf(ms);
}

function weightOf(statement: ObservedStatement, target: Target | undefined, pace: Pace | undefined): Weight {
  const ms = msOf(statement, target, pace);
  const worked = statement.locks.filter(({ rewrites, scans }) => rewrites || scans);
  const weights = worked.flatMap(({ relation }) => target?.weights.get(relation.oid) ?? []);
  const isKnown = target !== undefined && weights.every(({ rows }) => rows !== null);
  return {
    duration: classOrUnknown(ms),
    ms: ms === null ? null : Math.round(ms),
    rows: isKnown ? sum(weights.map(({ rows }) => rows ?? 0)) : null,
    bytes: target ? sum(weights.map(({ totalBytes }) => totalBytes)) : null,
  };
}

function summaryOf(statements: readonly StatementReview[]): Omit<Summary, "tookMs"> {
  const locks = statements.flatMap((statement) => statement.locks);
  const strong = locks.filter(({ blocks, kind }) => blocks !== "nothing" && kind === "table");
  const [worst] = [...locks].sort((a, b) => compareModes(b.mode, a.mode) || lengthOf(b) - lengthOf(a));
  const hazards = statements
    .flatMap((statement) => statement.hazards)
    .filter(({ allowed }) => allowed === undefined);
  const findings = statements.flatMap(({ preflight }) => preflight);
  const number = (severity: Hazard["severity"]) =>
    hazards.filter((hazard) => hazard.severity === severity).length;
  const found = (outcome: Finding["outcome"]) =>
    findings.filter((finding) => finding.outcome === outcome).length;
  return {
    tables: new Set(strong.map(({ object }) => object)).size,
    worstMode: worst?.mode ?? null,
    held: worst?.held ?? "instant",
    heldMs: worst === undefined ? 0 : worst.heldMs,
    rows: sum(statements.map(({ weight }) => weight.rows ?? 0)),
    hazards: { high: number("high"), medium: number("medium"), low: number("low") },
    fails: found("fails"),
    loses: found("loses"),
  };
}

/** What is not known counts as the longest. */
function lengthOf({ heldMs }: LockReview): number {
  return heldMs ?? Number.POSITIVE_INFINITY;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
