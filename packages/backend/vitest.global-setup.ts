import type { TestProject } from "vitest/node";
import { startEmbeddedServer } from "./migrator/src/database/embedded-server.ts";
import type {} from "./test-database/src/run.ts";
import { startTestServer } from "./test-database/src/server.ts";

/** Starts the PostgreSQL of the whole run, tells the workers where it is, and gives vitest the way to stop it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startTestServer({ startEmbedded: startEmbeddedServer });
  console.log(`test database: ${server.label}`);
  const { lane, url, run, version, versionNumber } = server;
  project.provide("testDatabase", { lane, url, run, version, versionNumber });
  return server.stop;
}
