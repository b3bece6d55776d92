import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** A run inside of a run, for what only shows in whole runs: several workers, and what is left when files have ended. */
export default defineConfig({
  cacheDir: fileURLToPath(new URL("../../node_modules/.vite", import.meta.url)),
  test: {
    root: fileURLToPath(new URL(".", import.meta.url)),
    include: ["*.spec.ts"],
    globalSetup: "./global-setup.ts",
    pool: "forks",
    maxWorkers: 2,
  },
});
