import { type MigrateOptions, type MigrateResult, migrate as runMigrate } from "./apply/migrate.ts";
import { type RollbackOptions, type RollbackResult, rollback as runRollback } from "./apply/rollback.ts";
import {
  DEFAULT_EMBEDDED_DATABASE,
  INPUT_KEYS,
  type MigratorConfig,
  readSettings,
  type Settings,
  type SettingsInput,
} from "./config.ts";
import { configuredUrl } from "./connection-url.ts";
import { findEmbeddedUrl } from "./database/embedded.ts";
import { findRepositoryRoot, readEnvironment } from "./environment.ts";
import type { Listener } from "./events.ts";
import { assertKnownKeys, namesOf } from "./limits.ts";
import {
  type PlannedRun,
  plan as readPlan,
  status as readStatus,
  type Status,
  type StatusOptions,
} from "./status.ts";

/** Who wants to hear how a run goes. */
interface Listening {
  readonly on?: Listener | undefined;
  /** Ends the run in order: what runs is cancelled and rolled back. */
  readonly signal?: AbortSignal | undefined;
}

const MIGRATE_KEYS = namesOf<MigrateOptions>({ to: true, allowOutOfOrder: true });

const STATUS_KEYS = namesOf<StatusOptions>({ runs: true });

const ROLLBACK_KEYS = namesOf<RollbackOptions>({
  steps: true,
  to: true,
  confirm: true,
  allowDataLoss: true,
  noBackup: true,
});

const LISTENING_KEYS = namesOf<Listening>({ on: true, signal: true });

/** The settings of a call in which no key is mistyped. @param options names of the verb's own */
async function settingsOf(input: SettingsInput & Listening, options: readonly string[]): Promise<Settings> {
  assertKnownKeys(undefined, input, [...INPUT_KEYS, ...options, ...LISTENING_KEYS]);
  return readSettings(input);
}

/**
 * Applies what is pending. What the caller does not say comes from `migrator.config.js` and the environment.
 * @throws MigratorError
 */
export async function migrate(input: SettingsInput & MigrateOptions & Listening): Promise<MigrateResult> {
  return runMigrate(await settingsOf(input, MIGRATE_KEYS), input, input.on, input.signal);
}

/**
 * Undoes the last applied migrations by their down files.
 * @throws MigratorError
 */
export async function rollback(input: SettingsInput & RollbackOptions & Listening): Promise<RollbackResult> {
  return runRollback(await settingsOf(input, ROLLBACK_KEYS), input, input.on, input.signal);
}

/**
 * Where a database stands, e.g. to refuse to start while migrations are pending. Reads only.
 * @throws MigratorError
 */
export async function status(input: SettingsInput & StatusOptions & Listening): Promise<Status> {
  return readStatus(await settingsOf(input, STATUS_KEYS), input, input.on);
}

/**
 * What `migrate` would run now. Reads only.
 * @throws MigratorError
 */
export async function plan(input: SettingsInput & MigrateOptions & Listening): Promise<PlannedRun> {
  return readPlan(await settingsOf(input, MIGRATE_KEYS), input, input.on);
}

/**
 * For drizzle-kit's own config: the URL that the environment configures, or the embedded server's while one runs.
 * Reads without waiting, because that file cannot wait.
 * @throws MigratorError where the settings contradict each other
 */
export function findDatabaseUrl(config: MigratorConfig = {}): string | undefined {
  const root = findRepositoryRoot(process.cwd());
  const url = configuredUrl(readEnvironment(root));
  return url ?? findEmbeddedUrl({ root, database: config.embeddedDatabase ?? DEFAULT_EMBEDDED_DATABASE });
}
