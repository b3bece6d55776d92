export { findDatabaseUrl, migrate, plan, rollback, status } from "./api.ts";
export type { MigrateResult } from "./apply/migrate.ts";
export type { RollbackResult } from "./apply/rollback.ts";
export type { MigratorConfig, SettingsInput } from "./config.ts";
export { startEmbeddedServer } from "./database/embedded-server.ts";
export { MigratorError } from "./errors.ts";
export type { Event } from "./events.ts";
export type { Problem } from "./problem.ts";
export type { PlannedRun, Status } from "./status.ts";
