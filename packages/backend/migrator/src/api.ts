import { type MigrateOptions, type MigrateResult, migrate as runMigrate } from "./apply/migrate.ts";
import { type RollbackOptions, type RollbackResult, rollback as runRollback } from "./apply/rollback.ts";
import { readConnection, readSettings, type SettingsInput } from "./config.ts";
import type { Listener } from "./events.ts";
import { status as readStatus, type Status } from "./status.ts";

/** Who wants to hear how a run goes. */
interface Listening {
  readonly on?: Listener | undefined;
}

/**
 * Applies what is pending. What the caller does not say comes from `migrator.config.js` and the environment.
 * @throws MigratorError
 */
export async function migrate(input: SettingsInput & MigrateOptions & Listening): Promise<MigrateResult> {
  return runMigrate(await readSettings(input), input, input.on);
}

/**
 * Undoes the last applied migrations by their down files.
 * @throws MigratorError
 */
export async function rollback(input: SettingsInput & RollbackOptions & Listening): Promise<RollbackResult> {
  return runRollback(await readSettings(input), input, input.on);
}

/**
 * Where a database stands, e.g. to refuse to start while migrations are pending. Reads only.
 * @throws MigratorError
 */
export async function status(input: SettingsInput & Listening): Promise<Status> {
  return readStatus(await readSettings(input), input.on);
}

/** The configured URL, or the embedded server's while one runs: for drizzle-kit's own config. */
export async function findDatabaseUrl(input: SettingsInput = {}): Promise<string | undefined> {
  const { connection } = await readConnection(input);
  if (connection.kind === "url") return connection.url;
  const { findEmbeddedUrl } = await import("./database/embedded.ts");
  return findEmbeddedUrl(connection.embedded);
}
