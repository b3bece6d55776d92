import { setImmediate } from "node:timers/promises";
import { replayJobs, replayOn } from "../apply/replay.ts";
import type { Settings } from "../config.ts";
import { type Database, withUrl } from "../database/connect.ts";
import type { Scratch } from "../database/scratch.ts";
import { mayReachBeyond, rolesIn, withoutClusterWide } from "../folder/cluster-wide.ts";
import { commandsIn } from "../folder/parse.ts";
import type { Migration, Script } from "../folder/read.ts";
import { segmentsOf } from "../folder/segments.ts";
import { installLook, readFacts, type SchemaFacts } from "./facts.ts";
import { observeLone } from "./observe-lone.ts";
import { type Local, observeTransaction } from "./observe-transaction.ts";
import type { ObservedScript, ObservedStatement, PlannedScript } from "./observed.ts";
import type { Watch } from "./taken.ts";

/** What a plan does to a schema, statement by statement. */
export interface Observation {
  /** The schema before it. */
  readonly before: SchemaFacts;
  readonly scripts: readonly ObservedScript[];
  /** A connection to the copy, as the plan leaves it. */
  readonly copy: Database;
}

/**
 * Runs a plan on a copy of the target's schema, which applied migrations make of an empty database, and reads after each
 * statement what it has locked and done.
 * @param applied in the order in which they were applied
 * @throws MigratorError where the copy cannot be made
 */
export async function observe<T>(
  settings: Settings,
  scratch: Scratch,
  {
    applied,
    planned,
  }: { readonly applied: readonly Migration[]; readonly planned: readonly PlannedScript[] },
  signal: AbortSignal,
  work: (observation: Observation) => Promise<T>,
): Promise<T> {
  const creating = scratch.create();
  creating.catch(() => undefined);
  // Once it is sent: while the server copies its template there are many files to be parsed.
  await setImmediate();
  const jobs = await replayJobs(settings, applied);
  await scratch.ensureRoles(
    await rolesIn([...applied.flatMap(({ up }) => up ?? []), ...planned.map(({ script }) => script)]),
  );
  return withUrl(await creating, async (copy) => {
    await replayOn(settings, copy, jobs, signal);
    // A statement that runs for ever ends with its session.
    signal.addEventListener("abort", () => void copy.sql.end({ timeout: 0 }), { once: true });
    // Temporary tables and whatever else the replayed files have left.
    await copy.sql.unsafe("discard all");
    await installLook(copy.sql);
    const { facts: before, mark } = await readFacts(copy.sql);
    const watch: Watch = { copy, before, facts: before, mark };
    const scripts: ObservedScript[] = [];
    for (const one of planned) {
      signal.throwIfAborted();
      scripts.push({ ...one, statements: await observeScript(watch, one.script) });
    }
    return work({ before, scripts, copy });
  });
}

async function observeScript(watch: Watch, script: Script): Promise<readonly ObservedStatement[]> {
  const segments = await segmentsOf(script);
  const localOf: Local = async (statement) => {
    if (mayReachBeyond(statement.type, statement.sql)) return undefined;
    const { statements } = await withoutClusterWide({ ...script, statements: [statement] });
    return statements.length === 0 ? undefined : statements.map(({ sql }) => sql).join(";\n");
  };
  const observed: ObservedStatement[] = [];
  // As a run begins each transaction: nothing of an earlier file is left in the session.
  await watch.copy.sql.unsafe("reset session authorization; reset role; reset all");
  for (const [transaction, segment] of segments.entries()) {
    const sent = segment.transactional ? segment.statements : [segment.statement];
    const commands = (await Promise.all(sent.map(commandsIn))).flat();
    const statements = commands.map(({ statement, type }, index) => ({
      ...statement,
      type,
      chunk: statement.number,
      number: observed.length + index + 1,
    }));
    const piece = { statements, transaction };
    const seen = segment.transactional
      ? observeTransaction(watch, piece, localOf)
      : observeLone(watch, piece, segment.kind, localOf);
    observed.push(...(await seen));
  }
  return observed;
}
