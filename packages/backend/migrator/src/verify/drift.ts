import { setTimeout as sleep } from "node:timers/promises";
import type { Claimed } from "../apply/baseline.ts";
import { interruptible } from "../apply/interruptible.ts";
import { replay } from "../apply/replay.ts";
import { notReplayed } from "../apply/replayable.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { type CompareOptions, compareCatalogs, type Difference } from "../catalog/compare.ts";
import { readCatalog } from "../catalog/read.ts";
import type { Settings } from "../config.ts";
import { type Database, withUrl } from "../database/connect.ts";
import { inspect, showServer } from "../database/inspect.ts";
import { warnOfMajors, withScratch } from "../database/scratch.ts";
import { EXIT, MigratorError } from "../errors.ts";
import { type Listener, SILENT } from "../events.ts";
import { rolesIn } from "../folder/cluster-wide.ts";
import type { Migration } from "../folder/read.ts";
import type { Problem } from "../problem.ts";
import { appliedOf, type Survey, type Surveyor, withProject } from "../survey.ts";
import { linesOf } from "./difference-lines.ts";
import { type IgnoredDifference, sift } from "./ignore.ts";
import { READ_AGAIN_MS, readSchema, tryToReadSchema } from "./read-schema.ts";

/** Whether a database is what its migrations say. */
export interface DriftResult {
  readonly database: string;
  /** `127.0.0.1:5432 (PostgreSQL 17.10)` */
  readonly server: string;
  /** ISO 8601, UTC. */
  readonly checkedAt: string;
  /** The last migration that its ledger has; null for none. */
  readonly appliedTo: string | null;
  /** How many it has. */
  readonly applied: number;
  readonly drift: readonly Difference[];
  /** What differs and does not count, by the config's `ignore`. */
  readonly ignored: readonly IgnoredDifference[];
  readonly problems: readonly Problem[];
}

/**
 * Compares a database with what the migrations in its own ledger make of an empty one. Only reads it.
 * @throws MigratorError `cannot-check`, `no-scratch`, and those of a migration that cannot be replayed
 */
export async function checkDrift(
  settings: Settings,
  options: CompareOptions = {},
  on: Listener = SILENT,
  signal: AbortSignal = new AbortController().signal,
): Promise<DriftResult> {
  const work = async (database: Database, survey: Surveyor) => {
    const { catalog, seen } = await readSettled(database, survey, settings, signal);
    const applied = appliedOf(seen);
    const { drift, ignored } = await driftOf(settings, database, { catalog, applied, options }, on, signal);
    return {
      database: seen.inspection.facts.database,
      server: showServer(database, seen.inspection.facts),
      checkedAt: new Date().toISOString(),
      appliedTo: seen.plan.entries.findLast(({ row, migration }) => row && migration)?.tag ?? null,
      applied: applied.length,
      drift,
      ignored,
      problems: seen.plan.problems,
    };
  };
  return interruptible("the check", signal, () => withProject(settings, work, on));
}

/**
 * For whoever is about to say that migrations are applied.
 * @throws MigratorError `drift`, and those of `checkDrift`
 */
export async function assertMade(
  settings: Settings,
  database: Database,
  { applied, later }: Claimed,
  on: Listener,
  signal: AbortSignal,
): Promise<void> {
  const catalog = await readSchema(database, settings);
  const driftFrom = (migrations: readonly Migration[]) =>
    interruptible("the check", signal, async () => {
      const claim = { catalog, applied: migrations, options: {} };
      return (await driftOf(settings, database, claim, on, signal)).drift;
    });
  const drift = await driftFrom(applied);
  if (drift.length === 0) return;
  // Whoever has named too early a migration must not drop what the next ones made.
  const whole = later.length === 0 ? drift : await driftFrom([...applied, ...later]).catch(() => drift);
  const isLater = ({ text }: Difference) => !whole.some((other) => other.text === text);
  throw new MigratorError({
    code: "drift",
    message: `the database is not what ${applied.at(-1)?.tag ?? "an empty folder"} and the migrations before it make: ${drift.length} difference${drift.length === 1 ? "" : "s"}`,
    details: drift.flatMap((one) =>
      isLater(one) ? [`${one.text}; a later migration of the folder makes it so`] : linesOf(one),
    ),
    state: "nothing was written",
    fix: "put it right by the SQL above, or name another migration with --to; what may differ goes into `ignore` in migrator.config.js, with the reason",
    exitCode: EXIT.found,
  });
}

/** A database's schema, and the migrations that are said to have made it. */
export interface Claim {
  readonly catalog: Catalog;
  /** In the order in which they were applied. */
  readonly applied: readonly Migration[];
  readonly options: CompareOptions;
}

/** What differs between a schema and what migrations make of an empty database. */
export async function driftOf(
  settings: Settings,
  database: Database,
  { catalog, applied, options }: Claim,
  on: Listener,
  signal: AbortSignal,
): Promise<Pick<DriftResult, "drift" | "ignored">> {
  const { ledger } = settings;
  const { version } = (await inspect(database, settings, on)).facts;
  const expected = await withScratch(settings.scratch, database.href, async (scratch) => {
    warnOfMajors(scratch, version, on);
    await scratch.ensureRoles(await rolesIn(applied.flatMap(({ up }) => up ?? [])));
    const url = await scratch.create();
    await replay(settings, url, applied, signal).catch((cause: unknown) => {
      throw notReplayed(cause);
    });
    return withUrl(url, (made) => readCatalog(made, { ledger }));
  });
  return sift(await compareCatalogs(expected, catalog, options), settings.ignore);
}

/** Reads the schema at a moment when no migration is half done: with the same ledger before and after. */
async function readSettled(
  database: Database,
  survey: Surveyor,
  settings: Settings,
  signal: AbortSignal,
): Promise<{ readonly catalog: Catalog; readonly seen: Survey }> {
  const until = Date.now() + settings.limits.lockWaitMs;
  for (;;) {
    const seen = await survey();
    assertReplayable(seen);
    const reading = await tryToReadSchema(database, settings);
    const after = await survey();
    const settled = stateOf(seen) === stateOf(after) && seen.inspection.partials.length === 0;
    if (settled && reading.catalog) return { catalog: reading.catalog, seen };
    if (settled && !reading.catalog && !reading.isPassing) throw reading.failure;
    signal.throwIfAborted();
    if (Date.now() > until) throw reading.catalog ? unsettled(after) : reading.failure;
    await sleep(READ_AGAIN_MS);
  }
}

function stateOf({ inspection: { ledger, partials } }: Survey): string {
  return JSON.stringify([ledger, partials]);
}

/** What was applied can only be run again where its text is still here. */
function assertReplayable({ plan, inspection }: Survey): void {
  const lost = plan.entries.filter(({ row, state }) => row !== undefined && state !== "applied");
  if (lost.length === 0) return;
  throw new MigratorError({
    code: "cannot-check",
    message: `database ${inspection.facts.database} cannot be checked: of ${lost.length === 1 ? "one migration" : `${lost.length} migrations`} in its ledger the text is not here`,
    details: lost.map(({ tag, hash, state, row }) =>
      tag === null ? `row ${row?.id}, hash ${hash?.slice(0, 8)}: no file has it` : `${tag}: ${state}`,
    ),
    state: "nothing was changed",
    fix: "check out the code that was deployed to it, or mend the ledger: `migrator status` says how",
    exitCode: EXIT.refused,
  });
}

function unsettled({ inspection: { partials } }: Survey): MigratorError {
  const [partial] = partials;
  return new MigratorError({
    code: "cannot-check",
    message: partial
      ? `a run of ${partial.tag} is under way or was cut: the database is between two migrations`
      : "migrations were applied all the time while the database was read",
    state: "nothing was changed",
    fix: partial
      ? "let it end, or finish it with `migrator migrate`, then check again"
      : "check again when the deploy has ended, or wait longer: --lock-wait",
    exitCode: EXIT.refused,
  });
}
