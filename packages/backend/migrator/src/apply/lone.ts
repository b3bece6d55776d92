import type { Database } from "../database/connect.ts";
import { CANCELLED, codeOf, isServerError } from "../database/failures.ts";
import {
  detachState,
  dropIndexConcurrently,
  qualified,
  readDatabases,
  readIndexes,
  readReindexLeftovers,
  readRelations,
  type TableIndex,
} from "../database/indexes.ts";
import { EXIT, MigratorError } from "../errors.ts";
import type { Event } from "../events.ts";
import type { LoneKind } from "../folder/parse.ts";
import type { Script } from "../folder/read.ts";
import type { LoneStatement } from "../folder/segments.ts";
import type { RunContext } from "./context.ts";
import { stepsOf } from "./execute.ts";
import { explain, type Step } from "./step-failures.ts";

/** A statement to run outside a transaction, with what is known of an earlier try. */
export interface LoneRun {
  readonly script: Script;
  readonly segment: LoneStatement;
  /** What there was before the first try, by `readBefore`. */
  readonly before: readonly number[];
  /** Whether an earlier try may have run it, wholly or in part. */
  readonly mayHaveRun: boolean;
  /** Called when the server has refused it and nothing of it is left. */
  onRefused(): void;
}

/** Runs a lone statement once, after clearing away what a cut try left; not at all where that try had finished it. */
export async function runLone(context: RunContext, run: LoneRun): Promise<void> {
  const { database } = context;
  const { kind, statement } = run.segment;
  await enterSession(context, run);
  if (run.mayHaveRun && (await hasRun(database, kind, run.before))) return;
  if (run.mayHaveRun && kind.type === "procedure") context.on(runsAgain(run));
  const step: Step = { sql: await textToRun(database, run), source: { script: run.script, statement } };
  try {
    await clearAway(context, run);
    await database.sql.unsafe(step.sql);
  } catch (cause) {
    // What a refused build (duplicates under a unique index, say) leaves would go on costing every write. A run that is
    // interrupted or has lost its connection leaves it to the next one.
    if (isRefusal(cause) && !context.signal.aborted)
      // The server may notice a cancellation when the work is done.
      await clearAway(context, { ...run, mayHaveRun: true }).then(
        () => codeOf(cause) === CANCELLED || run.onRefused(),
        () => undefined,
      );
    throw cause instanceof MigratorError ? cause : explain(step, cause, database);
  }
  await assertBuilt(database, kind, run.script);
}

/** Nobody but its author knows what a procedure commits. */
function runsAgain({ script, segment: { statement } }: LoneRun): Event {
  return {
    type: "warning",
    message: `${script.fileName}, line ${statement.line}: an earlier run was cut in this statement, and it runs again; what it had committed stands`,
  };
}

/** Whether the server itself said no, so that the statement has not been done; a shutdown may come after its commit. */
function isRefusal(cause: unknown): boolean {
  return isServerError(cause) && !codeOf(cause)?.startsWith("57P");
}

/** Session-wide, as there is no transaction to be local to: the next one's "reset all" ends it. */
async function enterSession(
  { database, settings }: RunContext,
  { script, segment }: Pick<LoneRun, "script" | "segment">,
): Promise<void> {
  const { lockTimeoutMs, concurrentLockTimeoutMs, statementTimeoutMs } = settings.limits;
  const patienceMs = blocksNobody(segment.kind) ? concurrentLockTimeoutMs : lockTimeoutMs;
  const limits = {
    // One process builds an index: with PostgreSQL's two helpers it would take the processors from those for whose sake it
    // is built CONCURRENTLY.
    sql: `set lock_timeout = ${patienceMs}; set statement_timeout = ${statementTimeoutMs}; set max_parallel_maintenance_workers = 0`,
  };
  for (const step of [limits, ...stepsOf(script, segment.settings)]) {
    await database.sql.unsafe(step.sql).catch((cause: unknown) => {
      throw explain(step, cause, database);
    });
  }
}

/** What waits for its lock without stopping others may wait for long; VACUUM FULL and the like would stop everybody. */
function blocksNobody({ type }: LoneKind): boolean {
  return ["create-index", "drop-index", "reindex-concurrently", "detach-partition"].includes(type);
}

/**
 * The oids by which a later try can tell whether the statement has run: those of the table's indexes where it builds one,
 * else of what it takes away or makes, as far as it exists.
 */
export async function readBefore(
  context: RunContext,
  run: Pick<LoneRun, "script" | "segment">,
): Promise<readonly number[]> {
  // Which table a name means may depend on what the file has set.
  await enterSession(context, run);
  return readConcerned(context.database, run.segment.kind);
}

async function readConcerned(database: Database, kind: LoneKind): Promise<readonly number[]> {
  switch (kind.type) {
    case "create-index":
      return (await readIndexes(database, tableOf(kind))).map(({ oid }) => oid);
    case "drop-index":
      return readRelations(database, kind.indexes);
    case "detach-partition":
      return readRelations(database, [kind.partition]);
    case "create-database":
    case "drop-database":
      return readDatabases(database, kind.database);
    default:
      return [];
  }
}

/** Never where there was nothing to do: a wrong name is for the server to refuse, each time. */
async function hasRun(database: Database, kind: LoneKind, before: readonly number[]): Promise<boolean> {
  const gone = async () => before.length > 0 && (await readConcerned(database, kind)).length === 0;
  switch (kind.type) {
    case "create-index":
      return (await readIndexes(database, tableOf(kind))).some(
        (index) => isNew(index, kind, before) && index.valid,
      );
    case "drop-index":
    case "drop-database":
      return gone();
    case "detach-partition":
      return (
        before.length > 0 && !(await gone()) && (await detachState(database, kind.partition)) === "detached"
      );
    case "create-database":
      return before.length === 0 && (await readConcerned(database, kind)).length > 0;
    default:
      return false;
  }
}

/** Drops INVALID indexes that a cut build left: useless to queries, paid for by every write, and in the name's way. */
async function clearAway({ database, on }: RunContext, run: LoneRun): Promise<void> {
  for (const index of await leftovers(database, run)) {
    if (index.building) throw beingBuilt(index, run.script);
    on({
      type: "warning",
      message: `dropping the INVALID index ${index.name}, which a cut or refused build left`,
    });
    await dropIndexConcurrently(database, index);
  }
}

async function leftovers(
  database: Database,
  { segment: { kind }, before, mayHaveRun }: LoneRun,
): Promise<readonly TableIndex[]> {
  if (kind.type === "create-index") {
    const indexes = await readIndexes(database, tableOf(kind));
    return indexes.filter(
      (index) => !index.valid && (index.name === kind.index || (mayHaveRun && isNew(index, kind, before))),
    );
  }
  if (kind.type !== "reindex-concurrently" || !mayHaveRun) return [];
  return readReindexLeftovers(database, kind.target);
}

function isNew(
  index: TableIndex,
  kind: Extract<LoneKind, { type: "create-index" }>,
  before: readonly number[],
): boolean {
  return !before.includes(index.oid) && (kind.index === undefined || index.name === kind.index);
}

/** A DETACH … CONCURRENTLY that was cut is finished by another statement. */
async function textToRun(database: Database, { segment: { kind, statement } }: LoneRun): Promise<string> {
  if (kind.type !== "detach-partition" || (await detachState(database, kind.partition)) !== "pending")
    return statement.sql;
  return `alter table ${qualified(kind.parent)} detach partition ${qualified(kind.partition)} finalize`;
}

/** CREATE INDEX … IF NOT EXISTS is content with an INVALID index of that name; we are not. */
async function assertBuilt(database: Database, kind: LoneKind, script: Script): Promise<void> {
  if (kind.type !== "create-index" || kind.index === undefined) return;
  const index = (await readIndexes(database, tableOf(kind))).find(({ name }) => name === kind.index);
  if (index !== undefined && !index.valid) throw beingBuilt(index, script);
}

function tableOf({ schema, table }: Extract<LoneKind, { type: "create-index" }>): readonly string[] {
  return schema === undefined ? [table] : [schema, table];
}

function beingBuilt(index: TableIndex, script: Script): MigratorError {
  return new MigratorError({
    code: "index-being-built",
    message: `${script.fileName} builds the index ${index.name}, but another session is building an index of that name now`,
    fix: "wait until that build has ended (pg_stat_progress_create_index shows it), then run again",
    exitCode: EXIT.found,
  });
}
