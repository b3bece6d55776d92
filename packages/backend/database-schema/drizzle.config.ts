import { defineConfig } from "drizzle-kit";
import settings from "./migrator.config.js";

/** drizzle-kit's view of the settings the migrator uses: one module holds them, this file only translates. */
export default defineConfig({
  dialect: "postgresql",
  schema: settings.schema,
  out: settings.migrations,
});
