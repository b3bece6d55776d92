import type { Database } from "../database/connect.ts";
import type { LastRun } from "../database/run-log.ts";
import type { Session } from "../database/session.ts";
import { lineOf } from "../folder/statements.ts";
import { classOf, type DurationClass, estimate, type Pace, timeServer } from "./durations.ts";
import type { Relation } from "./facts.ts";
import { findHazards } from "./hazards/find.ts";
import type { Hazard, Heat } from "./hazards/hazard.ts";
import { type Blocking, blockingOf, compareModes, type LockMode } from "./locks.ts";
import type { Observation } from "./observe.ts";
import type { ObservedScript, ObservedStatement } from "./observed.ts";
import { type Finding, preflight } from "./preflight.ts";
import { readTarget, type Target } from "./target.ts";
import { inTheWayOf } from "./weigh.ts";

/** One file of a plan, with all that can be said of it. */
export interface MigrationReview {
  readonly tag: string;
  readonly fileName: string;
  /** Hex sha256 of the file. */
  readonly hash: string;
  readonly statements: readonly StatementReview[];
  readonly summary: Summary;
}

export interface StatementReview {
  readonly number: number;
  readonly sql: string;
  /** 1-based, in the file; behind the comments above it. */
  readonly line: number;
  /** Which transaction of the file, counted from 1. */
  readonly transaction: number;
  /** Whether it runs outside of any. */
  readonly alone: boolean;
  /** All that are held while it runs, the strongest first. */
  readonly locks: readonly LockReview[];
  readonly hazards: readonly Hazard[];
  readonly preflight: readonly Finding[];
  readonly weight: Weight;
  /** What the server said where the copy did not run it. */
  readonly failure: readonly string[] | undefined;
  /** Why it was not tried on the copy. */
  readonly untried: string | undefined;
}

/** A lock on something that was there before the plan. */
export interface LockReview {
  /** `public.users`, as the target has it. */
  readonly object: string;
  readonly kind: "table" | "index" | "view" | "sequence";
  readonly mode: LockMode;
  readonly blocks: Blocking;
  /** The statement of the file that took it. */
  readonly since: number;
  /** Whether this statement writes it anew, and whether it goes through all of it. */
  readonly rewrites: boolean;
  readonly scans: boolean;
  /** From the statement that takes it to the end of the transaction; `unknown` where that depends on sizes which are not known. */
  readonly held: DurationClass | "unknown";
  readonly heldMs: number | null;
  /** Null where it is not known. */
  readonly rows: number | null;
  readonly bytes: number | null;
  /** Sessions of the target that hold now what it waits for. */
  readonly inTheWay: readonly string[];
}

export interface Weight {
  readonly duration: DurationClass | "unknown";
  /** An estimate; null where it depends on sizes which are not known. */
  readonly ms: number | null;
  /** Of what it goes through or writes anew. */
  readonly rows: number | null;
  readonly bytes: number | null;
}

/** A file in one line. */
export interface Summary {
  /** Tables that were there before the plan and get a lock which keeps somebody out. */
  readonly tables: number;
  readonly worstMode: LockMode | null;
  /** For how long that is held. */
  readonly held: LockReview["held"];
  readonly heldMs: number | null;
  /** Rows that are gone through or written anew. */
  readonly rows: number;
  /** Those that nobody has accepted. */
  readonly hazards: { readonly high: number; readonly medium: number; readonly low: number };
  /** Preflight checks by what they found. */
  readonly fails: number;
  readonly loses: number;
  /** How long the same file took here before, in ms; null where it has not run. */
  readonly tookMs: number | null;
}

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
        preflight: findings?.get(statement) ?? [],
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
