import type { Settings } from "./config.ts";
import { type Database, withDatabase } from "./database/connect.ts";
import { type Inspection, inspect } from "./database/inspect.ts";
import type { Listener } from "./events.ts";
import { indexOfTag, type Migration, type MigrationFolder, readFolder } from "./folder/read.ts";
import { isSchemaAhead } from "./folder/schema-ahead.ts";
import { type Plan, planMigrations } from "./plan.ts";

/** The folder beside the database, at one moment. */
export interface Survey {
  readonly folder: MigrationFolder;
  readonly inspection: Inspection;
  readonly plan: Plan;
  /** What `migrate` would run, unless the plan holds an error. */
  readonly run: readonly Migration[];
}

export interface SurveyOptions {
  /** Last migration to apply; all of them unless said. */
  readonly to?: string | undefined;
  /** Also runs migrations whose place is before an applied one. */
  readonly allowOutOfOrder?: boolean | undefined;
}

/** Reads the ledger as it is now, and says what that means for the folder. @throws MigratorError `unknown-tag` */
export type Surveyor = (options?: SurveyOptions) => Promise<Survey>;

/**
 * Opens a project's database for the length of `work`, and reads its folder meanwhile.
 * @throws MigratorError of the folder, before any of the database
 */
export async function withProject<T>(
  settings: Settings,
  work: (database: Database, survey: Surveyor) => Promise<T>,
  on: Listener,
): Promise<T> {
  const { severities, strict, connection, ci } = settings;
  const reading = Promise.all([
    readFolder(settings.migrations),
    looksAhead(settings) && isSchemaAhead(settings),
  ]);
  reading.catch(() => undefined);
  // Starting a server takes longer than finding out that there is no use for it.
  if (connection.kind === "embedded") await reading;
  const surveyIn = (database: Database): Surveyor => {
    let last: { readonly seen: string; readonly survey: Survey } | undefined;
    return async (options = {}) => {
      const [[folder, schemaAhead], inspection] = await Promise.all([
        reading,
        inspect(database, settings, on),
      ]);
      // Most often nobody has come in between: planning 200 files again for the same answer would take 4 ms.
      const seen = JSON.stringify([inspection, options]);
      if (seen === last?.seen) return last.survey;
      const { allowOutOfOrder, to } = options;
      const plan = planMigrations(folder, inspection.ledger, {
        allowOutOfOrder,
        partials: inspection.partials,
        schemaAhead,
        ci,
        severities,
        strict,
        now: Date.now(),
      });
      const lastIndex = to === undefined ? Number.POSITIVE_INFINITY : indexOfTag(folder, to, "--to");
      const run = plan.pending.filter((migration) => folder.migrations.indexOf(migration) <= lastIndex);
      const survey = { folder, inspection, plan, run };
      last = { seen, survey };
      return survey;
    };
  };
  try {
    return await withDatabase(connection, (database) => work(database, surveyIn(database)), on);
  } catch (error) {
    await reading;
    throw error;
  }
}

/** Loading a TypeScript schema takes longer than the rest of a run: only for whoever asks for the answer. */
function looksAhead({ strict, severities }: Settings): boolean {
  const choice = severities["schema-ahead"];
  return choice === undefined ? strict : choice !== "off";
}

/** The applied ones in the order of the ledger: with a late merge, another than the journal's. */
export function appliedOf({ plan }: Survey): readonly Migration[] {
  return plan.entries
    .filter(({ row }) => row !== undefined)
    .sort((a, b) => (a.row?.id ?? 0) - (b.row?.id ?? 0))
    .flatMap(({ migration }) => migration ?? []);
}
