import type postgres from "postgres";
import { connectQuietly, createDatabase, dropDatabase, urlOfDatabase } from "./admin.ts";
import { whenScopeEnds } from "./lifetime.ts";
import { uniqueName } from "./names.ts";
import { adminSql, adminUrl, currentRun } from "./run.ts";
import type { Template } from "./template.ts";

/** A database of one test. */
export interface TestDatabase {
  readonly name: string;
  /** The superuser's URL to this database. */
  readonly url: string;
  /** A client with at most 4 connections, connected on first use and closed by `drop`; notices are not printed. */
  readonly sql: postgres.Sql;
  /** Drops the database, ending all connections to it. Called again it does nothing. */
  drop(): Promise<void>;
}

/**
 * Creates a database of one's own, empty or a copy of a template. It is dropped by itself: at the end of the test that
 * created it, or at the end of the file when it was created in a `beforeAll`, at module level or in a concurrent test.
 */
export async function createTestDatabase(
  options: { readonly template?: Template } = {},
): Promise<TestDatabase> {
  const { run, versionNumber } = currentRun();
  // Opened before anything is registered for the end, so that it is closed after the last drop.
  const admin = adminSql();
  const name = uniqueName(run, "d");
  const url = urlOfDatabase(adminUrl(), name);
  let client: postgres.Sql | undefined;
  let dropped: Promise<void> | undefined;
  const drop = async () => {
    await client?.end({ timeout: 0 });
    await dropDatabase(admin, name);
  };
  const database: TestDatabase = {
    name,
    url,
    get sql() {
      client ??= connectQuietly(url, 4);
      return client;
    },
    drop: () => {
      dropped ??= drop();
      return dropped;
    },
  };
  // Registered before the first await: afterwards vitest may no longer know which test is calling.
  whenScopeEnds(database.drop);
  await createDatabase(admin, name, options.template?.database, versionNumber);
  return database;
}
