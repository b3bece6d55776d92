import { findDatabaseUrl } from "@repo/migrator";
import { defineConfig } from "drizzle-kit";
import settings from "./migrator.config.js";

// For `drizzle-kit studio` and the like; with nothing configured, the embedded server while `pnpm db:dev` runs it.
const url = findDatabaseUrl(settings);

/** drizzle-kit's view of the settings the migrator uses: one module holds them, this file only translates. */
export default defineConfig({
  dialect: "postgresql",
  schema: settings.schema,
  out: settings.migrations,
  ...(url === undefined ? {} : { dbCredentials: { url } }),
});
