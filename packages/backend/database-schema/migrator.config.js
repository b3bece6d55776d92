/** @satisfies {import("@repo/migrator").MigratorConfig} */
const settings = {
  migrations: "./src/migrations/app",
  schema: "./src/schema/index.ts",
  drizzleConfig: "./drizzle.config.ts",
  runbook: "./docs/runbook.md",
  planFirst: true,
};

export default settings;
