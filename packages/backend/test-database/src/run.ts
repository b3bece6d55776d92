import type postgres from "postgres";
import { inject } from "vitest";
import { connectQuietly } from "./admin.ts";
import type { LaneName } from "./lane.ts";
import { whenFileEnds } from "./lifetime.ts";

/** What the global setup hands to the test workers. */
export interface ProvidedTestDatabase {
  readonly lane: LaneName;
  readonly url: string;
  readonly run: string;
  readonly version: string;
  readonly versionNumber: number;
}

declare module "vitest" {
  interface ProvidedContext {
    testDatabase: ProvidedTestDatabase;
  }
}

/**
 * The server of this run, as the global setup provided it.
 * @throws Error when the tests run with a configuration that has no such global setup
 */
export function currentRun(): ProvidedTestDatabase {
  const provided = inject("testDatabase") as ProvidedTestDatabase | undefined;
  if (provided) return provided;
  throw new Error(
    "no test database: run the tests with `vitest run --config packages/backend/vitest.config.ts` from the root",
  );
}

/** The URL of the run's superuser, to the database `postgres`; in the lane `url` the URL in TEST_POSTGRES. */
export function adminUrl(): string {
  return currentRun().url;
}

let admin: postgres.Sql | undefined;

/** The test file's connection to the server as its superuser; closed with the file. */
export function adminSql(): postgres.Sql {
  if (!admin) {
    const opened = connectQuietly(adminUrl(), 2);
    admin = opened;
    whenFileEnds(() => opened.end({ timeout: 1 }));
  }
  return admin;
}
