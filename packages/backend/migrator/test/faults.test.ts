import { createTestDatabase, createTestRole, type TestDatabase } from "@repo/test-database";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Event, migrate } from "../src/index.ts";
import { type CliResult, errorOf, runCli } from "./support/cli.ts";
import { exists, quoted, readLedgerRows } from "./support/database.ts";
import { BREAKPOINT, hashOf, type MigrationFiles, makeFolder, THREE } from "./support/folder.ts";
import { type OwnServer, startOwnServer } from "./support/own-server.ts";
import { expectNoRunner, readHits, readValidity, until } from "./support/sessions.ts";

type Sql = TestDatabase["sql"];

const BASE_SQL = "CREATE TABLE hits (at int GENERATED ALWAYS AS IDENTITY, n int);";

const hit = (n: number) => `INSERT INTO hits (n) VALUES (${n});`;

describe("20 runners at once", () => {
  const RUNNERS = 20;
  const FILES: readonly MigrationFiles[] = [
    { tag: "0000_base", sql: BASE_SQL },
    { tag: "0001_table", sql: `CREATE TABLE t (n int);${BREAKPOINT}${hit(1)}` },
    { tag: "0002_data", sql: `${hit(2)}${BREAKPOINT}SELECT pg_sleep(0.3);` },
    {
      tag: "0003_index",
      sql: [hit(3), "CREATE INDEX CONCURRENTLY t_n ON t (n);", hit(4)].join(BREAKPOINT),
    },
    { tag: "0004_last", sql: hit(5) },
  ];

  test.each([
    ["an empty database", 0],
    ["a half-migrated database", 2],
  ])("on %s all end well, and each migration runs exactly once", async (_, already) => {
    const database = await createTestDatabase();
    const url = database.url;
    if (already > 0) await migrate({ migrations: await makeFolder(FILES.slice(0, already)), url });
    const args = ["migrate", "--migrations", await makeFolder(FILES), "--url", url];
    const results: readonly CliResult[] = await Promise.all(
      Array.from({ length: RUNNERS }, () => runCli(args)),
    );
    expect(results.map(({ exitCode, stderr }) => (exitCode === 0 ? 0 : stderr))).toEqual(
      Array(RUNNERS).fill(0),
    );
    expect(await readHits(database.sql)).toEqual([1, 2, 3, 4, 5]);
    expect(await readValidity(database.sql, "t")).toEqual({ t_n: true });
    expect((await readLedgerRows(database.sql))?.map(({ hash }) => hash)).toEqual(
      FILES.map(({ sql }) => hashOf(sql ?? "")),
    );
    const applied = results.map(({ stdout }) => stdout.match(/^000\d_\w+ /gm)?.length ?? 0);
    expect(applied.reduce((sum, count) => sum + count)).toBe(FILES.length - already);
    await expectNoRunner(database.sql);
  });
});

describe("a ledger that somebody else owns", () => {
  test("is refused by the missing grant before anything is written, and works with it", async () => {
    const database = await createTestDatabase();
    const { sql } = database;
    const role = await createTestRole();
    const to = quoted(role.name);
    const [one, two] = THREE;
    await migrate({ migrations: await makeFolder([one]), url: database.url });
    await sql.unsafe(
      `grant usage on schema drizzle to ${to}; grant usage, create on schema public to ${to}; alter table author owner to ${to}`,
    );
    const args = ["migrate", "--migrations", await makeFolder([one, two]), "--url", role.urlOf(database)];
    for (const grant of [
      "select 1",
      `grant select on drizzle.__drizzle_migrations to ${to}`,
      `grant insert on drizzle.__drizzle_migrations to ${to}`,
    ]) {
      await sql.unsafe(grant);
      const refused = await runCli([...args, "--json"]);
      expect(refused.exitCode).toBe(2);
      expect(errorOf(refused)).toMatchObject({
        code: "permission-denied",
        state: "nothing was applied",
        fix: expect.stringMatching(/^as its owner: GRANT /),
      });
      expect(await readLedgerRows(sql)).toHaveLength(1);
    }
    await sql.unsafe(`grant usage on sequence drizzle.__drizzle_migrations_id_seq to ${to}`);
    expect(await runCli(args)).toMatchObject({ exitCode: 0 });
    expect(await readLedgerRows(sql)).toHaveLength(2);
  });
});

describe("a server of one's own", () => {
  let server: OwnServer;

  beforeAll(async () => {
    server = await startOwnServer({
      max_connections: "8",
      superuser_reserved_connections: "0",
      max_wal_senders: "0",
      autovacuum: "off",
    });
  });

  afterAll(() => server?.remove());

  /** A client that is gone with the test. */
  function clientOf(url: string): Sql {
    const sql = postgres(url, { max: 1, onnotice: () => {}, idle_timeout: 60 });
    onTestFinished(() => sql.end({ timeout: 0 }));
    return sql;
  }

  const SLOW =
    "SELECT pg_sleep(coalesce((SELECT 30 WHERE to_regclass('quick') IS NULL), 0)) /* slow part */;";

  test.each([
    ["a transaction", [hit(1), SLOW, hit(2)], "undone", []],
    [
      "a concurrent build",
      [hit(1), "CREATE INDEX CONCURRENTLY hits_n ON hits ((slow(n)));", hit(2)],
      "in part",
      [1],
    ],
  ] as const)(
    "that is stopped hard during %s and started again: a re-run finishes",
    async (_, statements, stands, left) => {
      const url = await server.createDatabase(`hard_${stands.replace(" ", "_")}`);
      const base = `${BASE_SQL} CREATE FUNCTION slow(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN
      IF to_regclass(''quick'') IS NULL AND to_regclass(''public.quick'') IS NULL THEN PERFORM pg_sleep(30); END IF; RETURN n; END';`;
      const files = [
        { tag: "0000_base", sql: base },
        { tag: "0001_slow", sql: statements.join(BREAKPOINT) },
      ];
      const args = ["migrate", "--migrations", await makeFolder(files), "--url", url];
      const run = runCli([...args, "--json"]);
      await until("the slow part", async () => {
        const before = clientOf(url);
        const seen =
          await before`select 1 from pg_stat_activity where application_name = 'migrator' and wait_event = 'PgSleep'`;
        await before.end();
        return seen.length > 0;
      });
      await server.stopHard();
      const result = await run;
      expect(result.exitCode).toBe(1);
      expect(errorOf(result).code).toBe("connection-lost");
      expect(errorOf(result).state).toContain("0000_base was applied");
      await server.startAgain();
      const sql = clientOf(url);
      // A divided file begins with a commit that waits for the disk; before a whole one the crash may undo the base, whole.
      const rows = (await readLedgerRows(sql)) ?? [];
      if (stands === "in part") expect(rows).toHaveLength(1);
      expect(rows.length).toBeLessThan(2);
      expect(await exists(sql, "hits")).toBe(rows.length === 1);
      if (rows.length === 1) expect(await readHits(sql)).toEqual(left);
      await sql`create table quick ()`;
      expect(await runCli(args)).toMatchObject({ exitCode: 0 });
      expect(await readHits(sql)).toEqual([1, 2]);
      expect(await readLedgerRows(sql)).toHaveLength(2);
      expect(Object.values(await readValidity(sql, "hits"))).not.toContain(false);
    },
  );

  describe("that has no connection left", () => {
    /** Opens connections until only so many are left. */
    async function leave(url: string, free: number): Promise<readonly Sql[]> {
      const clients: Sql[] = [];
      for (;;) {
        const client = clientOf(url);
        const refused = await client`select 1`.then(
          () => false,
          () => true,
        );
        if (refused) break;
        clients.push(client);
      }
      for (const client of clients.splice(0, free)) await client.end();
      // A backend ends a moment after its client has gone.
      const [witness] = clients;
      await until("free connections", async () => {
        const rows = await witness?.unsafe(
          "select 1 from pg_stat_activity where backend_type = 'client backend'",
        );
        return rows?.length === 8 - free;
      });
      return clients;
    }

    test("is named, and the run can be made once there is one", async () => {
      const url = await server.createDatabase("no_connection");
      const args = ["migrate", "--migrations", await makeFolder(THREE), "--url", url];
      const clients = await leave(url, 0);
      const refused = await runCli([...args, "--json"]);
      expect(refused.exitCode).toBe(1);
      expect(errorOf(refused)).toMatchObject({
        code: "too-many-connections",
        state: expect.stringContaining("nothing was"),
      });
      await Promise.all(clients.map((client) => client.end()));
      expect(await runCli(args)).toMatchObject({ exitCode: 0 });
    });

    test("for the watcher: the run goes on without it", async () => {
      const url = await server.createDatabase("no_watcher");
      const folder = await makeFolder(THREE.slice(0, 2));
      await migrate({ migrations: folder, url, to: "0000_author" });
      const clients = await leave(url, 1);
      const [reader] = clients;
      await reader?.unsafe("begin");
      await reader?.unsafe("select * from author");
      const events: Event[] = [];
      const run = migrate({
        migrations: folder,
        url,
        limits: { lockTimeout: "600ms" },
        on: (event) => events.push(event),
      });
      run.catch(() => undefined);
      await until("a retry", async () => events.some(({ type }) => type === "retrying"));
      await reader?.unsafe("commit");
      expect((await run).applied).toMatchObject([{ tag: "0001_author_born" }]);
      await Promise.all(clients.map((client) => client.end()));
    });
  });

  test("whose disk is full: the migration is undone or its parts stand, and a re-run with room finishes", async () => {
    const url = await server.createDatabase("full_disk");
    const limit = await server.createSmallTablespace();
    const sql = clientOf(url);
    // 20 MB, in words that do not compress.
    await sql`create table wanted as select 20000 as n`;
    const rows =
      "SELECT string_agg(md5(i || '.' || j), '') AS x FROM generate_series(1, (SELECT n FROM wanted)) i, generate_series(1, 31) j GROUP BY i";
    const files = [
      { tag: "0000_base", sql: BASE_SQL },
      { tag: "0001_big", sql: [hit(1), `CREATE TABLE big TABLESPACE small AS ${rows};`].join(BREAKPOINT) },
      {
        tag: "0002_index",
        sql: [
          hit(2),
          `CREATE TABLE wide AS ${rows};`,
          "CREATE INDEX CONCURRENTLY wide_x ON wide (x, (x || 1)) TABLESPACE small;",
          hit(3),
        ].join(BREAKPOINT),
      },
    ];
    const args = ["migrate", "--migrations", await makeFolder(files), "--url", url, "--json"];
    const words = limit === "a small file system" ? "No space left on device" : "File too large";

    const first = await runCli(args);
    expect(first.exitCode).toBe(1);
    expect(errorOf(first).details.join("\n")).toContain(words);
    expect(errorOf(first).state).toBe(
      "0000_base was applied; 0001_big was undone whole and is still pending",
    );
    expect(await readHits(sql)).toEqual([]);
    expect(await exists(sql, "big")).toBe(false);

    await sql`update wanted set n = 10`;
    await runCli([...args, "--to", "0001_big"]);
    expect(await readHits(sql)).toEqual([1]);

    await sql`update wanted set n = 10000`;
    const second = await runCli(args);
    expect(second.exitCode).toBe(1);
    expect(errorOf(second).details.join("\n")).toContain(words);
    expect(errorOf(second).state).toContain("1 of the 3 parts of 0002_index stand");
    expect(await readHits(sql)).toEqual([1, 2]);
    expect(await readValidity(sql, "wide")).toEqual({});

    await sql`delete from wide where ctid > '(100,1)'`;
    expect(await runCli(args)).toMatchObject({ exitCode: 0 });
    expect(await readHits(sql)).toEqual([1, 2, 3]);
    expect(await readValidity(sql, "wide")).toEqual({ wide_x: true });
  });
});
