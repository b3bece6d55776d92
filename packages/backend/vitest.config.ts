import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

/** The packages' tests in one run, because they share one PostgreSQL server: starting it costs more than most tests. */
const PACKAGES = ["migrator", "database-schema", "test-database"] as const;

/** Workspace packages are tested from their sources: no build has to be fresh. */
const conditions = ["source", "module", "node", "development|production"];

/** The tests of one package. @param name of the project, where it is not the package's */
export function project(
  folder: string,
  name: string = folder,
  include: readonly string[] = ["test/**/*.test.ts"],
): TestProjectInlineConfiguration {
  return {
    resolve: { conditions },
    ssr: { resolve: { conditions } },
    test: {
      name,
      root: fileURLToPath(new URL(folder, import.meta.url)),
      include: [...include],
      // What a run refuses in CI is asked for by the tests of just that.
      env: { CI: "" },
      // Three times what the longest take on two slow cores with all else beside them.
      testTimeout: 300_000,
      hookTimeout: 300_000,
      // Machines that are shared stand still for seconds now and then; the report tells which tests needed it.
      retry: process.env.CI ? 1 : 0,
    },
  };
}

/** `VITEST_JSON=<file>` also writes the results as JSON, for those who count without changing the command. */
const json = process.env.VITEST_JSON;

export default defineConfig({
  test: {
    projects: PACKAGES.map((name) => project(name)),
    globalSetup: fileURLToPath(new URL("vitest.global-setup.ts", import.meta.url)),
    // Tests start processes and wait for PostgreSQL: separate processes keep their signals and environments apart.
    pool: "forks",
    // Two workers a core: a test mostly waits, for a process to start, a lock to be given, a pause to end.
    maxWorkers: 2 * availableParallelism(),
    reporters: json ? ["default", ["json", { outputFile: json }]] : ["default"],
  },
});
