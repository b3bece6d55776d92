/** @type {import("@repo/migrator").MigratorConfig} */
export default {
  migrations: "./src/migrations/app",
  schema: "./src/schema/index.ts",
  drizzleConfig: "./drizzle.config.ts",
};
