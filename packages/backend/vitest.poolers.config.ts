import { defineConfig } from "vitest/config";
import base, { project } from "./vitest.config.ts";

/** The tests through a real PgBouncer: a lane of its own, since nothing but Node and npm may be needed for `pnpm test`. */
export default defineConfig({
  test: { ...base.test, projects: [project("migrator", "poolers", ["test/**/*.lane.ts"])] },
});
