import type { Settings } from "./config.ts";
import { withDatabase } from "./database/connect.ts";
import { inspect, showServer } from "./database/inspect.ts";
import { type AppliedRun, type RunRow, readAppliedRuns, readRuns } from "./database/run-log.ts";
import { type Listener, SILENT } from "./events.ts";
import { readFolder } from "./folder/read.ts";
import { isSchemaAhead } from "./folder/schema-ahead.ts";
import { type MigrationState, type PlanEntry, planMigrations } from "./plan.ts";
import type { Problem } from "./problem.ts";

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
  const { severities, strict } = settings;
  const folder = await readFolder(settings.migrations);
  const schemaAhead = strict && (await isSchemaAhead(settings));
  return withDatabase(
    settings.connection,
    async (database) => {
      const [{ facts, ledger, partials }, runs] = await Promise.all([
        inspect(database, settings.ledger),
        readAppliedRuns(database, settings.ledger),
      ]);
      const { entries, problems } = planMigrations(folder, ledger, {
        partials,
        schemaAhead,
        severities,
        strict,
        now: Date.now(),
      });
      const migrations = entries.map((entry) => describe(entry, runs));
      const found = { database: facts.database, server: showServer(database, facts), migrations, problems };
      if (options.runs === undefined) return found;
      return { ...found, runs: await readRuns(database, settings.ledger, options.runs) };
    },
    on,
  );
}

/** What `migrate` would run now, and why it would not. */
export interface PlannedRun {
  readonly database: string;
  readonly server: string;
  /** In the order in which they would run. */
  readonly pending: readonly {
    readonly tag: string;
    readonly statements: readonly { readonly sql: string; readonly line: number }[];
  }[];
  readonly problems: readonly Problem[];
}

/** The decision that `migrate` would make now, without making it. Reads only. */
export async function plan(settings: Settings, on: Listener = SILENT): Promise<PlannedRun> {
  const { severities, strict } = settings;
  const folder = await readFolder(settings.migrations);
  return withDatabase(
    settings.connection,
    async (database) => {
      const { facts, ledger, partials } = await inspect(database, settings.ledger);
      const { pending, problems } = planMigrations(folder, ledger, {
        partials,
        severities,
        strict,
        now: Date.now(),
      });
      return {
        database: facts.database,
        server: showServer(database, facts),
        pending: pending.map(({ tag, up }) => ({ tag, statements: up?.statements ?? [] })),
        problems,
      };
    },
    on,
  );
}

function describe({ tag, hash, state, row }: PlanEntry, runs: readonly AppliedRun[]): StatusMigration {
  // By the ledger's hash: of an edited file, that is what was applied.
  const run = runs.find((candidate) => candidate.hash === row?.hash);
  return { tag, hash, state, appliedAt: run?.appliedAt ?? null, durationMs: run?.durationMs ?? null };
}
