import { setTimeout as sleep } from "node:timers/promises";
import { createTestDatabase, createTestRole, type TestDatabase } from "@repo/test-database";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Event, migrate } from "../src/index.ts";
import { type CliResult, errorOf, runCli, startCli } from "./support/cli.ts";
import { exists, quoted, readCatalog, readLedgerRows } from "./support/database.ts";
import { BREAKPOINT, hashOf, type MigrationFiles, makeFolder, THREE } from "./support/folder.ts";
import { type OwnServer, startOwnServer } from "./support/own-server.ts";
import { startProxy } from "./support/proxy.ts";
import { expectNoRunner, readHits, readRunFacts, readValidity, until } from "./support/sessions.ts";

type Sql = TestDatabase["sql"];

/** A migration whose text tells by which numbers in `hits` it, or a part of it, stands. */
interface CountedFile extends MigrationFiles {
  readonly sql: string;
  /** Numbers that each segment leaves. */
  readonly hits: readonly (readonly number[])[];
}

const hit = (n: number) => `INSERT INTO hits (n) VALUES (${n});`;

/** A place where a run can be made to stop: see `prepare`. */
const pause = (mark: number) => `SELECT control.pause(${mark});`;

function file(tag: string, hits: CountedFile["hits"], ...statements: readonly string[]): CountedFile {
  return { tag, hits, sql: statements.join(BREAKPOINT) };
}

const BASE = file("0000_base", [[]], "CREATE TABLE hits (at int GENERATED ALWAYS AS IDENTITY, n int);");

const FIVE: readonly CountedFile[] = [
  file("0001_table", [[10]], pause(1), "CREATE TABLE t (n int);", pause(2), hit(10), pause(3)),
  file("0002_data", [[20]], hit(20), pause(4), "INSERT INTO t VALUES (1);", pause(5)),
  file(
    "0003_index",
    [[30], [], [31]],
    ...[hit(30), pause(6), "CREATE INDEX CONCURRENTLY t_n ON t (control.paused(n));", hit(31), pause(7)],
  ),
  file("0004_more", [[40]], "ALTER TABLE t ADD COLUMN more int;", pause(8), hit(40)),
  file("0005_last", [[50]], hit(50), pause(9), "CREATE TABLE u (n int);", pause(10)),
];

/** What happens at each mark, the ones of the bookkeeping included. */
const MARKS = [
  [1, "the first statement of a file"],
  [2, "a statement after a CREATE TABLE"],
  [3, "the last statement of a file"],
  [4, "a statement after a data change"],
  [5, "the last statement of a data migration"],
  [6, "the last statement before a concurrent build"],
  [21, "the note that a concurrent build begins"],
  [20, "the concurrent build"],
  [22, "the note that the concurrent build stands"],
  [7, "the last statement after a concurrent build"],
  [23, "the note that a divided file is done"],
  [8, "a statement behind the divided file"],
  [9, "a statement of the last file"],
  [10, "the last statement of all"],
  [24, "the insertion of the last ledger row"],
  [25, "the last commit"],
] as const;

const LAST = FIVE[FIVE.length - 1] as CountedFile;

/** Stops a run at the mark that the database's setting `test.stop` names. Only a run: a table of the run log is watched, too. */
const CONTROL = `
  create schema control;
  create function control.pause(mark int) returns void language plpgsql as $$ begin
    if current_setting('test.stop', true) = mark::text then perform pg_sleep(current_setting('test.seconds')::float); end if; end $$;
  create function control.paused(n int) returns int immutable language plpgsql as $$ begin
    perform control.pause(20); return n; end $$;
  create function control.log() returns trigger language plpgsql as $$ begin
    if new.begun is not null then perform control.pause(21); end if;
    if new.begun is null and new.completed = 2 and old.completed = 1 then perform control.pause(22); end if;
    if new.completed = 3 and old.completed = 2 then perform control.pause(23); end if;
    return new; end $$;
  create function control.ledger() returns trigger language plpgsql as $$ begin
    if new.hash = '${hashOf(LAST.sql)}' then perform control.pause(case tg_when when 'BEFORE' then 24 else 25 end); end if;
    return new; end $$;
  create trigger log before update on drizzle.__drizzle_migrations_runs for each row execute function control.log();
  create trigger early before insert on drizzle.__drizzle_migrations for each row execute function control.ledger();
  create constraint trigger late after insert on drizzle.__drizzle_migrations deferrable initially deferred
    for each row execute function control.ledger();`;

interface Place {
  readonly database: TestDatabase;
  readonly folder: string;
  readonly args: readonly string[];
}

/** A database with the base applied, on which a run of the five stops at a mark. */
async function prepare(mark: number, options: { forS: number; noticesLoss: boolean }): Promise<Place> {
  const database = await createTestDatabase();
  const { sql, url, name } = database;
  await migrate({ migrations: await makeFolder([BASE]), url });
  await sql.unsafe(CONTROL);
  await sql.unsafe(`alter database ${quoted(name)} set test.stop = '${mark}'`);
  await sql.unsafe(`alter database ${quoted(name)} set test.seconds = '${options.forS}'`);
  if (options.noticesLoss)
    await sql.unsafe(`alter database ${quoted(name)} set client_connection_check_interval = '20ms'`);
  const folder = await makeFolder([BASE, ...FIVE]);
  return { database, folder, args: ["migrate", "--migrations", folder, "--url", url] };
}

async function resume({ database }: Place): Promise<void> {
  await database.sql.unsafe(`alter database ${quoted(database.name)} set test.stop = '0'`);
}

/** Waits until a run has stopped at its mark. */
async function untilPaused(sql: Sql): Promise<number> {
  return until("a run that pauses", async () => {
    const [row] = await sql<{ pid: number }[]>`select pid from pg_stat_activity
      where datname = current_database() and application_name = 'migrator' and wait_event = 'PgSleep'`;
    return row?.pid;
  });
}

/** Every migration, and every part of the divided one, stands whole or not at all, and ledger and run log say which. */
async function expectBeforeOrAfter(sql: Sql): Promise<number> {
  const ledger = ((await readLedgerRows(sql)) ?? []).map(({ hash }) => hash);
  expect(ledger).toEqual([BASE, ...FIVE].slice(0, ledger.length).map((one) => hashOf(one.sql)));
  const runs = await readRunFacts(sql);
  const hits = FIVE.flatMap((one) => {
    const run = runs.findLast(({ tag, outcome }) => tag === one.tag && outcome !== "failed");
    const applied = ledger.includes(hashOf(one.sql));
    expect(run?.outcome === "done").toBe(applied);
    return one.hits.slice(0, applied ? one.hits.length : (run?.completed ?? 0)).flat();
  });
  expect(await readHits(sql)).toEqual(hits);
  expect(await exists(sql, "t")).toBe(ledger.includes(hashOf(FIVE[0]?.sql ?? "")));
  expect(await exists(sql, "u")).toBe(ledger.includes(hashOf(LAST.sql)));
  return ledger.length;
}

/** The run that finishes what was cut: everything stands, once, and the catalog is that of a run nobody disturbed. */
async function expectFinished(place: Place, undisturbed: readonly string[]): Promise<void> {
  const { sql, url } = place.database;
  await resume(place);
  await migrate({ migrations: place.folder, url });
  expect(await expectBeforeOrAfter(sql)).toBe(6);
  expect(await readCatalog(sql)).toEqual(undisturbed);
  for (const { tag } of FIVE)
    expect((await readRunFacts(sql)).findLast((run) => run.tag === tag)).toMatchObject({ outcome: "done" });
  expect((await migrate({ migrations: place.folder, url })).applied).toEqual([]);
  await expectNoRunner(sql);
}

describe("SIGKILL of the runner leaves before or after, and a re-run finishes the job:", () => {
  let undisturbed: readonly string[] = [];

  beforeAll(async () => {
    const place = await prepare(0, { forS: 0, noticesLoss: false });
    await migrate({ migrations: place.folder, url: place.database.url });
    undisturbed = await readCatalog(place.database.sql);
    await place.database.drop();
  });

  test.each(MARKS)("at mark %i, %s", async (mark) => {
    const place = await prepare(mark, { forS: 20, noticesLoss: true });
    const { sql } = place.database;
    const cli = await startCli(place.args);
    await untilPaused(sql);
    cli.kill("SIGKILL");
    expect(await cli.done).toMatchObject({ exitCode: null });
    await expectNoRunner(sql);
    await expectBeforeOrAfter(sql);
    await expectFinished(place, undisturbed);
  });

  test.each([2, 20, 25])(
    "at mark %i, where the server does not notice and goes on: the re-run waits for it and runs nothing twice",
    async (mark) => {
      const place = await prepare(mark, { forS: 1, noticesLoss: false });
      const { sql } = place.database;
      const cli = await startCli(place.args);
      await untilPaused(sql);
      cli.kill("SIGKILL");
      await cli.done;
      await resume(place);
      const events: Event[] = [];
      const on = (event: Event) => events.push(event);
      await migrate({ migrations: place.folder, url: place.database.url, on });
      expect(events.map(({ type }) => type)).toContain("waiting");
      await expectFinished(place, undisturbed);
    },
  );
});

describe("a session that is ended in the middle of a statement", () => {
  test("leaves the migration undone, says so, and a re-run finishes", async () => {
    const place = await prepare(8, { forS: 20, noticesLoss: false });
    const { sql } = place.database;
    const run = runCli([...place.args, "--json"]);
    const pid = await untilPaused(sql);
    await sql`select pg_terminate_backend(${pid})`;
    const result = await run;
    expect(result.exitCode).toBe(1);
    const error = errorOf(result);
    expect(error.code).toBe("connection-lost");
    expect(error.state).toBe("0001_table, 0002_data, 0003_index were applied; 0004_more was undone whole");
    expect(await expectBeforeOrAfter(sql)).toBe(4);
    await resume(place);
    await migrate({ migrations: place.folder, url: place.database.url });
    expect(await expectBeforeOrAfter(sql)).toBe(6);
  });
});

describe("a network that fails", () => {
  test.each([
    ["in a transaction", 8],
    ["in a concurrent build", 20],
    ["at the commit", 25],
  ])("by a reset %s: what the runner says is so, and a re-run finishes", async (_, mark) => {
    const place = await prepare(mark, { forS: 0.7, noticesLoss: false });
    const { sql } = place.database;
    const proxy = await startProxy(place.database.url);
    const run = runCli(["migrate", "--migrations", place.folder, "--url", proxy.url, "--json"]);
    await untilPaused(sql);
    proxy.cut();
    const result = await run;
    expect(result.exitCode).toBe(1);
    expect(errorOf(result)).toMatchObject({ code: "connection-lost" });
    // It cannot look any more: saying what it does not know would be a lie.
    expect(errorOf(result).state).toMatch(
      mark === 20 ? /1 of the 3 parts of 0003_index stand/ : /is not known/,
    );
    await expectNoRunner(sql);
    await expectBeforeOrAfter(sql);
    await resume(place);
    await migrate({ migrations: place.folder, url: place.database.url });
    expect(await expectBeforeOrAfter(sql)).toBe(6);
  });

  test("by a reset of one connection: the runner looks again and says what became of its migration", async () => {
    const place = await prepare(25, { forS: 0.7, noticesLoss: false });
    const { sql } = place.database;
    const proxy = await startProxy(place.database.url);
    const run = runCli(["migrate", "--migrations", place.folder, "--url", proxy.url, "--json"]);
    await untilPaused(sql);
    proxy.cut();
    proxy.heal();
    const error = errorOf(await run);
    const applied = await expectBeforeOrAfter(sql);
    expect(error.state).toContain(
      applied === 6 ? "0005_last was committed before that" : "0005_last was undone whole",
    );
    await expectNoRunner(sql);
  });

  test.each([
    ["in a transaction", 8],
    ["in a concurrent build", 20],
  ])("by silence %s: the runner ends once the connection does, and nothing is half done", async (_, mark) => {
    const place = await prepare(mark, { forS: 0.3, noticesLoss: false });
    const { sql } = place.database;
    const proxy = await startProxy(place.database.url);
    const cli = await startCli(["migrate", "--migrations", place.folder, "--url", proxy.url, "--json"]);
    await untilPaused(sql);
    proxy.stall();
    await sleep(600);
    let ended = false;
    const done = cli.done.finally(() => {
      ended = true;
    });
    await sleep(100);
    expect(ended).toBe(false);
    proxy.cut();
    const result = await done;
    expect(result.exitCode).toBe(1);
    expect(errorOf(result)).toMatchObject({ code: "connection-lost" });
    await expectNoRunner(sql);
    await expectBeforeOrAfter(sql);
    await resume(place);
    await migrate({ migrations: place.folder, url: place.database.url });
    expect(await expectBeforeOrAfter(sql)).toBe(6);
  });

  test("by silence that ends by itself: the run goes on", async () => {
    const place = await prepare(8, { forS: 0.3, noticesLoss: false });
    const proxy = await startProxy(place.database.url);
    const run = runCli(["migrate", "--migrations", place.folder, "--url", proxy.url]);
    await untilPaused(place.database.sql);
    proxy.stall();
    await sleep(800);
    proxy.heal();
    expect(await run).toMatchObject({ exitCode: 0 });
    expect(await expectBeforeOrAfter(place.database.sql)).toBe(6);
  });

  test("by silence, and a person who stops the run twice", async () => {
    const place = await prepare(8, { forS: 0.5, noticesLoss: false });
    const { sql } = place.database;
    const proxy = await startProxy(place.database.url);
    const cli = await startCli(["migrate", "--migrations", place.folder, "--url", proxy.url]);
    await untilPaused(sql);
    proxy.stall();
    cli.kill("SIGINT");
    await cli.untilItSays("once more stops at once");
    cli.kill("SIGINT");
    expect(await cli.done).toMatchObject({ exitCode: 1 });
    proxy.cut();
    await expectNoRunner(sql);
    await expectBeforeOrAfter(sql);
  });
});

describe("20 runners at once", () => {
  const RUNNERS = 20;
  const FILES: readonly MigrationFiles[] = [
    { tag: "0000_base", sql: BASE.sql },
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
      const base = `${BASE.sql} CREATE FUNCTION slow(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN
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
      expect(await readHits(sql)).toEqual(left);
      expect(await readLedgerRows(sql)).toHaveLength(1);
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
      expect(errorOf(refused)).toMatchObject({ code: "too-many-connections", state: "nothing was applied" });
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
    // 30 MB, in words that do not compress.
    await sql`create table wanted as select 30000 as n`;
    const rows =
      "SELECT string_agg(md5(i || '.' || j), '') AS x FROM generate_series(1, (SELECT n FROM wanted)) i, generate_series(1, 31) j GROUP BY i";
    const files = [
      { tag: "0000_base", sql: BASE.sql },
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
