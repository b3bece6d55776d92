import type { Settings } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { type Inspection, showServer } from "../database/inspect.ts";
import { insertRow } from "../database/ledger.ts";
import { withLock } from "../database/lock.ts";
import { inlineSql } from "../database/prepared.ts";
import { literal } from "../database/sql-text.ts";
import { MigratorError } from "../errors.ts";
import { type Listener, SILENT } from "../events.ts";
import { indexOfTag, type Migration, type MigrationFolder } from "../folder/read.ts";
import { type Surveyor, withProject } from "../survey.ts";
import { openBooks } from "./bookkeeping.ts";
import { NEVER } from "./context.ts";
import { assertNoErrors, assertWritable } from "./preconditions.ts";
import { writeBooks } from "./write-books.ts";

export interface BaselineOptions {
  /** Last migration that the database has; all of them unless said. */
  readonly to?: string | undefined;
  /** Throws unless the database is what these migrations make; nothing has been written when it is asked. */
  readonly assertMade: (database: Database, claimed: Claimed) => Promise<void>;
}

/** Migrations that a database is said to have, and those of the folder behind them. */
export interface Claimed {
  readonly applied: readonly Migration[];
  readonly later: readonly Migration[];
}

export interface BaselineResult {
  readonly database: string;
  readonly server: string;
  /** Tags that the ledger now says are applied. */
  readonly recorded: readonly string[];
}

/**
 * Writes the ledger of a database that has the schema already, without running any SQL of the folder.
 * @throws MigratorError `ledger-not-empty`, `database-empty`, or for problems in the folder; then nothing was written
 */
export async function baseline(
  settings: Settings,
  options: BaselineOptions,
  on: Listener = SILENT,
  signal: AbortSignal = NEVER,
): Promise<BaselineResult> {
  const work = async (database: Database, survey: Surveyor) =>
    withLock(database, settings.ledger, settings.limits.lockWaitMs, { on, signal }, async () => {
      const { folder, inspection, plan } = await survey();
      const chosen = upTo(folder, options.to);
      assertNoErrors(plan.problems, on);
      assertFresh(inspection, settings);
      assertWritable(database, inspection.facts, settings.ledger);
      await assertHasTables(database, settings);
      const later = folder.migrations.slice(chosen.length);
      await options.assertMade(database, { applied: chosen, later });
      const rows = chosen.map(({ up, when }) => ({
        sql: inlineSql(insertRow(settings.ledger, up?.hash ?? "", when)),
      }));
      const { facts } = inspection;
      const { setUp } = openBooks(facts, settings.ledger, on);
      await writeBooks({ database, settings, on, signal }, facts, [...setUp, ...rows]);
      return {
        database: facts.database,
        server: showServer(database, facts),
        recorded: chosen.map(({ tag }) => tag),
      };
    });
  return withProject(settings, work, on);
}

function upTo(folder: MigrationFolder, tag: string | undefined): readonly Migration[] {
  return tag === undefined
    ? folder.migrations
    : folder.migrations.slice(0, indexOfTag(folder, tag, "--to") + 1);
}

function assertFresh({ ledger }: Inspection, settings: Settings): void {
  if (ledger.length === 0) return;
  const { schema, table } = settings.ledger;
  throw new MigratorError({
    code: "ledger-not-empty",
    message: `the ledger ${schema}.${table} has ${ledger.length} rows already: this database is under migrations`,
    state: "nothing was written",
    fix: "`migrator status` shows where it stands; `migrator repair` mends rows that do not fit the files",
  });
}

/** A baseline of an empty database would say that everything is there while nothing is. */
async function assertHasTables(database: Database, settings: Settings): Promise<void> {
  const [row] = await database.sql.unsafe<{ found: boolean }[]>(`
    select exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'v', 'm') and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', ${literal(settings.ledger.schema)})) as found`);
  if (row?.found) return;
  throw new MigratorError({
    code: "database-empty",
    message: "this database has no table at all, so the migrations cannot have been applied to it",
    state: "nothing was written",
    fix: "`migrator migrate` applies them; `baseline` is for a database that has the schema already",
  });
}
