import { createTestDatabase, type TestDatabase } from "@repo/test-database";
import { beforeAll, describe, expect, test } from "vitest";
import { migrate } from "../src/index.ts";
import { errorOf, runCli, startCli } from "./support/cli.ts";
import { readLedgerRows, readSchemas, readTables } from "./support/database.ts";
import { BREAKPOINT, type MigrationFiles, makeFolder, THREE } from "./support/folder.ts";
import { findPgBouncer, type PoolMode, startPgBouncer } from "./support/pgbouncer.ts";
import { openOther, readHits, readValidity, until } from "./support/sessions.ts";

const DIVIDED: readonly MigrationFiles[] = [
  {
    tag: "0000_base",
    sql: "CREATE TABLE t (n int); CREATE TABLE hits (at int GENERATED ALWAYS AS IDENTITY, n int);",
  },
  {
    tag: "0001_index",
    sql: [
      "INSERT INTO hits (n) VALUES (1);",
      "CREATE INDEX CONCURRENTLY t_n ON t (n);",
      "INSERT INTO hits (n) VALUES (2);",
    ].join(BREAKPOINT),
  },
];

interface Place {
  readonly database: TestDatabase;
  /** The database's URL through the pooler. */
  readonly pooled: string;
}

async function prepare(mode: PoolMode, poolSize = 5): Promise<Place> {
  const database = await createTestDatabase();
  return { database, pooled: await startPgBouncer(database, mode, poolSize) };
}

/** Locks that a session took and nobody of us can give back. */
async function readAdvisoryLocks({ sql }: TestDatabase): Promise<readonly unknown[]> {
  return sql`select pid from pg_locks where locktype = 'advisory'
    and database = (select oid from pg_database where datname = current_database())`;
}

describe("through PgBouncer", () => {
  beforeAll(async () => {
    await findPgBouncer();
  });

  describe("in session mode", () => {
    test("a run is as without it, divided files and second runs included", async () => {
      const { database, pooled } = await prepare("session");
      const args = ["migrate", "--migrations", await makeFolder(DIVIDED), "--url", pooled];
      expect(await runCli(args)).toMatchObject({
        exitCode: 0,
        stdout: expect.stringContaining("applied 2 migrations"),
      });
      expect(await readHits(database.sql)).toEqual([1, 2]);
      expect(await readValidity(database.sql, "t")).toEqual({ t_n: true });
      expect(await runCli(args)).toMatchObject({
        exitCode: 0,
        stdout: expect.stringMatching(/^nothing to apply/),
      });
      expect(await until("no lock", async () => (await readAdvisoryLocks(database)).length === 0)).toBe(true);
    });

    test("four runners at once apply everything once", async () => {
      const { database, pooled } = await prepare("session", 8);
      const args = ["migrate", "--migrations", await makeFolder(DIVIDED), "--url", pooled];
      const results = await Promise.all([runCli(args), runCli(args), runCli(args), runCli(args)]);
      expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0]);
      expect(await readHits(database.sql)).toEqual([1, 2]);
      expect(await readLedgerRows(database.sql)).toHaveLength(2);
    });

    test("a run that is interrupted is cancelled through it, and leaves the lock free for a direct one", async () => {
      const { database, pooled } = await prepare("session");
      const folder = await makeFolder(DIVIDED);
      await migrate({ migrations: folder, url: database.url, to: "0000_base" });
      const writer = await openOther(database.url, "writer");
      await writer.run("begin; insert into t values (1)");
      const cli = await startCli(["migrate", "--migrations", folder, "--url", pooled]);
      // Under whatever name: through a pooler the runner's own may be lost.
      await until("the build to wait", async () => {
        const rows = await database.sql`select 1 from pg_stat_activity where datname = current_database()
          and wait_event_type = 'Lock' and query like 'CREATE INDEX CONCURRENTLY%'`;
        return rows.length > 0;
      });
      cli.kill("SIGTERM");
      const result = await cli.done;
      expect(result.exitCode).toBe(1);
      expect(result.stderr).toContain("1 of the 3 parts of 0001_index stand");
      await writer.run("commit");
      await migrate({ migrations: folder, url: database.url, limits: { lockWait: "3s" } });
      expect(await readHits(database.sql)).toEqual([1, 2]);
      expect(await readValidity(database.sql, "t")).toEqual({ t_n: true });
    });
  });

  describe("in transaction mode", () => {
    test("the run stops before it writes, names the reason, and leaves no lock that blocks a direct run", async () => {
      const { database, pooled } = await prepare("transaction", 7);
      const folder = await makeFolder(THREE);
      // As in a service's pool: several server connections, and each transaction gets the next one.
      const services = await Promise.all([1, 2, 3, 4, 5, 6, 7].map((n) => openOther(pooled, `service ${n}`)));
      await Promise.all(services.map((service) => service.run("select pg_sleep(0.2)")));
      const result = await runCli(["migrate", "--migrations", folder, "--url", pooled, "--json"]);
      expect(result.exitCode).toBe(1);
      expect(errorOf(result)).toMatchObject({ code: "lock-lost" });
      expect(errorOf(result).details.join("\n")).toContain("a pooler in transaction mode");
      expect(errorOf(result).fix).toContain("a pooler in session mode");
      expect(errorOf(result).state).toContain("nothing was applied");
      expect(await readSchemas(database.sql)).toEqual(["public"]);
      await migrate({ migrations: folder, url: database.url, limits: { lockWait: "3s" } });
      expect(await readLedgerRows(database.sql)).toHaveLength(3);
    });

    test("a run that is alone on the pool is stopped, too, or safe because one connection served all of it", async () => {
      const { database, pooled } = await prepare("transaction", 1);
      const folder = await makeFolder(DIVIDED);
      const result = await runCli(["migrate", "--migrations", folder, "--url", pooled, "--json"]);
      if (result.exitCode === 0) expect(await readHits(database.sql)).toEqual([1, 2]);
      else {
        expect(errorOf(result)).toMatchObject({ code: "lock-lost" });
        expect(await readTables(database.sql)).toEqual([]);
      }
      await migrate({ migrations: folder, url: database.url, limits: { lockWait: "3s" } });
      expect(await readHits(database.sql)).toEqual([1, 2]);
      expect(await readValidity(database.sql, "t")).toEqual({ t_n: true });
    });

    test("a run with nothing to apply works, and status too", async () => {
      const { database, pooled } = await prepare("transaction", 4);
      const folder = await makeFolder(THREE);
      await migrate({ migrations: folder, url: database.url });
      for (const verb of ["migrate", "status"])
        expect(await runCli([verb, "--migrations", folder, "--url", pooled])).toMatchObject({ exitCode: 0 });
      expect(await readAdvisoryLocks(database)).toEqual([]);
    });
  });
});
