import type { Settings } from "./config.ts";
import { showServer } from "./database/inspect.ts";
import { type LastRun, type RunRow, readLastRuns, readRuns } from "./database/run-log-rows.ts";
import { type Listener, SILENT } from "./events.ts";
import type { MigrationState, PlanEntry } from "./plan.ts";
import type { Problem } from "./problem.ts";
import { type SurveyOptions, withProject } from "./survey.ts";

export interface StatusMigration {
  /** Null for a ledger row that no file has. */
  readonly tag: string | null;
  readonly hash: string | null;
  readonly state: MigrationState;
  /** ISO 8601, UTC; null where another tool applied it or history is not kept. */
  readonly appliedAt: string | null;
  readonly durationMs: number | null;
}

export interface Status {
  readonly database: string;
  readonly server: string;
  readonly migrations: readonly StatusMigration[];
  readonly problems: readonly Problem[];
  /** The last runs, newest first, where asked for. */
  readonly runs?: readonly RunRow[];
}

export interface StatusOptions {
  /** How many of the last runs to tell; none unless said. */
  readonly runs?: number | undefined;
}

/** Where a database stands. Reads only: needs no lock and works on a standby. */
export async function status(
  settings: Settings,
  options: StatusOptions = {},
  on: Listener = SILENT,
): Promise<Status> {
  return withProject(
    settings,
    async (database, survey) => {
      const [{ inspection, plan }, runs] = await Promise.all([survey(), readLastRuns(database, settings)]);
      const { entries, problems } = plan;
      const { facts } = inspection;
      const tags = new Set(entries.flatMap(({ tag }) => tag ?? []));
      const migrations = entries.map((entry) => describe(entry, runs, tags));
      const found = { database: facts.database, server: showServer(database, facts), migrations, problems };
      if (options.runs === undefined) return found;
      return { ...found, runs: await readRuns(database, settings, options.runs) };
    },
    on,
  );
}

/** What `migrate` would run now, and why it would not. */
export interface PlannedRun {
  readonly database: string;
  readonly server: string;
  /** In the order in which they would run; none of them does while `problems` holds an error. */
  readonly pending: readonly {
    readonly tag: string;
    readonly statements: readonly { readonly sql: string; readonly line: number }[];
  }[];
  readonly problems: readonly Problem[];
}

/** The decision that `migrate` would make now, without making it. Reads only. */
export async function plan(
  settings: Settings,
  options: SurveyOptions = {},
  on: Listener = SILENT,
): Promise<PlannedRun> {
  return withProject(
    settings,
    async (database, survey) => {
      const { inspection, plan, run } = await survey(options);
      return {
        database: inspection.facts.database,
        server: showServer(database, inspection.facts),
        pending: run.map(({ tag, up }) => ({
          tag,
          statements: up?.statements ?? [],
        })),
        problems: plan.problems,
      };
    },
    on,
  );
}

function describe(entry: PlanEntry, runs: readonly LastRun[], tags: ReadonlySet<string>): StatusMigration {
  const { tag, hash, state } = entry;
  const run = findRun(entry, runs, tags);
  const applied = run?.direction === "up" ? run : undefined;
  return {
    tag,
    hash,
    state,
    appliedAt: applied?.finishedAt ?? null,
    durationMs: applied?.durationMs ?? null,
  };
}

/**
 * The run that made a ledger row. By tag and hash, since two files may hold the same text; by the tag alone where `repair
 * --accept` has changed the row's hash; by the hash alone where the file has another name now.
 */
function findRun({ tag, row }: PlanEntry, runs: readonly LastRun[], tags: ReadonlySet<string>) {
  if (row === undefined) return undefined;
  return (
    runs.find((run) => run.tag === tag && run.hash === row.hash) ??
    runs.find((run) => run.tag === tag) ??
    runs.find((run) => run.hash === row.hash && !tags.has(run.tag))
  );
}
