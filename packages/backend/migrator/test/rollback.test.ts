import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createTestDatabase, type TestDatabase } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { migrate, rollback } from "../src/index.ts";
import { documentOf, runCli } from "./support/cli.ts";
import {
  exists,
  failureOf,
  readCatalog,
  readEverything,
  readLedgerRows,
  readTables,
} from "./support/database.ts";
import {
  BREAKPOINT,
  hashOf,
  type MigrationFiles,
  makeFolder,
  THREE,
  tagsOf,
  writeMigrations,
} from "./support/folder.ts";
import { temporaryFolder } from "./support/temporary.ts";
import { titled } from "./support/titled.ts";

interface Migrated {
  readonly database: TestDatabase;
  readonly folder: string;
  readonly input: { readonly migrations: string; readonly url: string };
  readonly args: readonly string[];
}

/** A database with these migrations applied. */
async function migrated(files: readonly MigrationFiles[] = THREE): Promise<Migrated> {
  const database = await createTestDatabase();
  const folder = await makeFolder(files);
  const input = { migrations: folder, url: database.url };
  await migrate(input);
  return { database, folder, input, args: ["rollback", "--migrations", folder, "--url", database.url] };
}

/** Expects a refusal that leaves everything as it was. */
async function refusal(
  { database, input }: Migrated,
  options: Omit<Parameters<typeof rollback>[0], "url"> = {},
) {
  const before = await readEverything(database.sql);
  const error = await failureOf(rollback({ ...input, ...options }));
  expect(await readEverything(database.sql)).toEqual(before);
  expect(error.exitCode).toBe(2);
  return error;
}

describe("what is undone", () => {
  test("each step leaves the catalog and the ledger of the step before, and migrate brings all back", async () => {
    const database = await createTestDatabase();
    const input = { migrations: await makeFolder(THREE), url: database.url };
    const catalogs = [await readCatalog(database.sql)];
    for (const { tag } of THREE) {
      await migrate({ ...input, to: tag });
      catalogs.push(await readCatalog(database.sql));
    }
    for (const [index, { tag }] of [...THREE.entries()].reverse()) {
      const { rolledBack } = await rollback(input);
      expect(rolledBack).toEqual([{ tag, durationMs: expect.any(Number) }]);
      expect(await readCatalog(database.sql)).toEqual(catalogs[index]);
      expect(await readLedgerRows(database.sql)).toHaveLength(index);
    }
    const { applied } = await migrate(input);
    expect(applied.map(({ tag }) => tag)).toEqual(tagsOf(THREE));
    expect(await readCatalog(database.sql)).toEqual(catalogs[3]);
    expect((await readLedgerRows(database.sql))?.map(({ hash }) => hash)).toEqual(
      THREE.map(({ sql }) => hashOf(sql ?? "")),
    );
  });

  test("the command line says first what it will undo, then what it undid", async () => {
    const { args, database } = await migrated();
    const result = await runCli(args);
    expect(result).toMatchObject({ exitCode: 0, stderr: "" });
    expect(result.stdout).toMatch(
      new RegExp(
        `^will roll back, in this order: 0002_book\\n0002_book {2}\\d+ ms\\nrolled back 1 migration; database ${database.name} at `,
      ),
    );
  });

  test.each([
    ["--steps 2", { steps: 2 }, ["0002_book", "0001_author_born"]],
    ["--steps beyond the first", { steps: 99 }, ["0002_book", "0001_author_born", "0000_author"]],
    ["--to the first, which stays", { to: "0000_author" }, ["0002_book", "0001_author_born"]],
    ["--to the last: nothing", { to: "0002_book" }, []],
  ])("%s", async (_, options, tags) => {
    const { database, input } = await migrated();
    const { rolledBack } = await rollback({ ...input, ...options });
    expect(rolledBack.map(({ tag }) => tag)).toEqual(tags);
    expect(await readLedgerRows(database.sql)).toHaveLength(3 - tags.length);
  });

  test("on an empty database there is nothing to roll back, and nothing is made", async () => {
    const database = await createTestDatabase();
    const args = ["rollback", "--migrations", await makeFolder(THREE), "--url", database.url];
    const result = await runCli(args);
    expect(result).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("nothing to roll back") });
    expect(await exists(database.sql, "drizzle.__drizzle_migrations")).toBe(false);
  });

  test("the order is the ledger's, which a late merge makes differ from the journal's", async () => {
    const [one, two, three] = THREE;
    const { folder, input } = await migrated([one, three]);
    await writeMigrations(folder, [one, two, three]);
    await migrate({ ...input, allowOutOfOrder: true });
    expect((await rollback(input)).rolledBack).toMatchObject([{ tag: two.tag }]);
    expect((await rollback(input)).rolledBack).toMatchObject([{ tag: three.tag }]);
  });

  test("down file and ledger row go in one transaction, and both directions stand in the run log", async () => {
    const { database, input } = await migrated();
    await rollback(input);
    const runs = await database.sql`
      select tag, direction, outcome, hash from drizzle.__drizzle_migrations_runs order by id desc limit 2`;
    const hash = hashOf(THREE[2].sql ?? "");
    expect(runs).toEqual([
      { tag: "0002_book", direction: "down", outcome: "done", hash },
      { tag: "0002_book", direction: "up", outcome: "done", hash },
    ]);
  });
});

describe("data loss", () => {
  async function withRows(): Promise<Migrated> {
    const it = await migrated();
    await it.database.sql`
      insert into author select n, 'name', case when n <= 3 then date '2000-01-01' end from generate_series(1, 1500) n`;
    return it;
  }

  test("a table that holds rows is named with their number, exit 2, and --allow-data-loss goes on", async () => {
    const { args, database } = await withRows();
    await database.sql`insert into book values (1, 1)`;
    const before = await readEverything(database.sql);
    const result = await runCli(args);
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toContain("error data-loss: the rollback would lose data in one place");
    expect(result.stderr).toContain("0002_book drops table book, which holds 1 row\n");
    expect(result.stderr).toContain("state: nothing was rolled back");
    expect(result.stderr).toContain("--allow-data-loss");
    expect(await readEverything(database.sql)).toEqual(before);
    const allowed = await runCli([...args, "--allow-data-loss"]);
    expect(allowed).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining("dropped with data: table book (1 row)"),
    });
    expect(await readTables(database.sql)).toEqual(["author"]);
  });

  test("of several steps every place is named, and none is undone", async () => {
    const it = await withRows();
    const error = await refusal(it, { steps: 3 });
    expect(error.code).toBe("data-loss");
    expect(error.details).toEqual([
      "0001_author_born drops column author.born, which holds 3 values",
      "0000_author drops table author, which holds 1,500 rows",
    ]);
    expect(
      documentOf(await runCli([...it.args, "--steps", "3", "--allow-data-loss", "--json"])),
    ).toMatchObject({
      rolledBack: [{ tag: "0002_book" }, { tag: "0001_author_born" }, { tag: "0000_author" }],
      lost: [
        { tag: "0001_author_born", table: "author", column: "born", rows: 3 },
        { tag: "0000_author", table: "author", rows: 1500 },
      ],
    });
  });

  test("a column without values and a table without rows are no loss", async () => {
    const { database, input } = await migrated();
    await database.sql`insert into author values (1, 'name', null)`;
    const { rolledBack, lost } = await rollback({ ...input, steps: 2 });
    expect([rolledBack.length, lost]).toEqual([2, []]);
  });

  test.each(
    titled([
      {
        title: "a table dropped by CASCADE of its schema",
        up: "CREATE SCHEMA shop;\nCREATE TABLE shop.orders (id int);\nINSERT INTO shop.orders VALUES (1), (2);",
        down: "DROP SCHEMA shop CASCADE;",
        loss: "table shop.orders, which holds 2 rows",
      },
      {
        title: "a column dropped by CASCADE of its type",
        up: "CREATE TYPE mood AS ENUM ('ok');\nCREATE TABLE day (id int, mood mood);\nINSERT INTO day VALUES (1, 'ok'), (2, NULL);",
        down: "DROP TYPE mood CASCADE;",
        loss: "column day.mood, which holds 1 value",
      },
      {
        title: "a table dropped and made anew under its name",
        up: "CREATE TABLE day (id int);\nINSERT INTO day VALUES (1);",
        down: `DROP TABLE day;${BREAKPOINT}CREATE TABLE day (id int);`,
        loss: "table day, which holds 1 row",
      },
      {
        title: "a column dropped and made anew under its name",
        up: "CREATE TABLE day (id int);\nINSERT INTO day VALUES (1), (2);",
        down: "ALTER TABLE day DROP COLUMN id;\nALTER TABLE day ADD COLUMN id text;",
        loss: "column day.id, which holds 2 values",
      },
      {
        title: "a table dropped in a DO block",
        up: "CREATE TABLE day (id int);\nINSERT INTO day VALUES (1);",
        down: "DO $$ BEGIN EXECUTE 'DROP TABLE ' || 'day'; END $$;",
        loss: "table day, which holds 1 row",
      },
      {
        title: "a partitioned table",
        up: "CREATE TABLE day (id int) PARTITION BY LIST (id);\nCREATE TABLE day_1 PARTITION OF day FOR VALUES IN (1);\nINSERT INTO day VALUES (1);",
        down: "DROP TABLE day;",
        loss: "table day, which holds 1 row",
      },
      {
        title: "one partition of a table that stays",
        up: "CREATE TABLE day (id int) PARTITION BY LIST (id);\nCREATE TABLE day_1 PARTITION OF day FOR VALUES IN (1);\nINSERT INTO day VALUES (1);",
        down: "DROP TABLE day_1;",
        loss: "table day_1, which holds 1 row",
      },
      {
        title: "names that need quotes",
        up: 'CREATE TABLE "Odd ""table" ("a b" int);\nINSERT INTO "Odd ""table" VALUES (1);',
        down: 'ALTER TABLE "Odd ""table" DROP COLUMN "a b";',
        loss: 'column Odd "table.a b, which holds 1 value',
      },
    ]),
  )("is seen for %s", async (_, { up, down, loss }) => {
    const it = await migrated([{ tag: "0000_day", sql: up, down }]);
    const error = await refusal(it);
    expect(error.code).toBe("data-loss");
    expect(error.details.join("\n")).toContain(loss);
  });

  test("a rename, a moved table and a changed type are no loss", async () => {
    const { input } = await migrated([
      {
        tag: "0000_day",
        sql: "CREATE TABLE day (id int, n int);\nINSERT INTO day VALUES (1, 1);\nCREATE SCHEMA shop;",
        down: [
          "ALTER TABLE day RENAME TO days;",
          "ALTER TABLE days RENAME COLUMN n TO number;",
          "ALTER TABLE days ALTER COLUMN number TYPE bigint;",
          "ALTER TABLE days SET SCHEMA shop;",
        ].join("\n"),
      },
    ]);
    expect(await rollback(input)).toMatchObject({ rolledBack: [{ tag: "0000_day" }], lost: [] });
  });

  test("a down file that saves rows elsewhere first still needs the flag, and keeps them", async () => {
    const it = await migrated([
      {
        tag: "0000_day",
        sql: "CREATE TABLE day (id int);\nINSERT INTO day VALUES (7);",
        down: `CREATE TABLE day_kept AS SELECT * FROM day;${BREAKPOINT}DROP TABLE day;`,
      },
    ]);
    await refusal(it);
    await rollback({ ...it.input, allowDataLoss: true, backupFolder: await temporaryFolder() });
    expect(await it.database.sql`select id from day_kept`).toEqual([{ id: 7 }]);
  });

  test("rows that are written between looking and dropping stop the rollback", async () => {
    const { database, input } = await migrated([
      {
        tag: "0000_day",
        sql: "CREATE TABLE day (id int);",
        down: `DROP TABLE day;${BREAKPOINT}SELECT pg_sleep(0.2);`,
      },
    ]);
    const { sql } = database;
    const untilLocked = async (granted: boolean) => {
      for (let found = 0; found === 0; await sleep(5)) {
        const locks = await sql`
          select 1 from pg_locks where relation = (select oid from pg_class where relname = 'day')
            and mode = 'AccessExclusiveLock' and granted = ${granted}`;
        found = locks.length;
      }
    };
    const run = failureOf(rollback(input));
    await untilLocked(true);
    // Queued behind the trial, so granted as soon as that is rolled back, and not yet to be seen when rows are counted.
    await sql.begin(async (writer) => {
      await writer`insert into day values (7)`;
      await untilLocked(false);
    });
    expect(await run).toMatchObject({
      code: "data-loss",
      exitCode: 2,
      message: "table day got rows while the rollback was prepared",
      state: expect.stringMatching(/^nothing was rolled back/),
    });
    expect(await sql`select id from day`).toEqual([{ id: 7 }]);
    expect(await readLedgerRows(sql)).toHaveLength(1);
  });

  test("measuring leaves everything as it was", async () => {
    const { database, input } = await migrated();
    await database.sql`insert into author values (1, 'name', '2000-01-01')`;
    const before = await readEverything(database.sql);
    expect(await failureOf(rollback({ ...input, steps: 3 }))).toMatchObject({
      code: "data-loss",
      details: [
        "0001_author_born drops column author.born, which holds 1 value",
        "0000_author drops table author, which holds 1 row",
      ],
    });
    expect(await readEverything(database.sql)).toEqual(before);
  });
});

describe("what cannot be undone", () => {
  const [one, two, three] = THREE;
  const { down: _, ...withoutDown } = three;

  test.each(
    titled([
      {
        title: "a migration without a down file",
        last: withoutDown,
        message: "0002_book has no down file",
        fix: "write 0002_book.down.sql beside 0002_book.sql",
      },
      {
        title: "one that says that it is irreversible",
        last: { ...three, down: "-- irreversible: the old prices are gone\nDROP TABLE book;" },
        message: "0002_book cannot be undone: the old prices are gone (0002_book.down.sql)",
        fix: "go on by a new migration",
      },
      {
        title: "one that is irreversible without a reason, on a Windows line",
        last: { ...three, down: "DROP TABLE book;\r\n  --  IRREVERSIBLE:\r\n" },
        message: "0002_book cannot be undone: no reason given",
        fix: "go on by a new migration",
      },
      {
        title: "a draft that is not finished",
        last: { ...three, down: "-- unfinished: write it by hand\n" },
        message: "0002_book.down.sql is not finished: write it by hand",
        fix: 'finish 0002_book.down.sql and remove its "unfinished" line',
      },
    ]),
  )("%s is refused with the reason", async (_, { last, message, fix }) => {
    const error = await refusal(await migrated([one, two, last]), { allowDataLoss: true });
    expect(error.code).toBe("cannot-undo");
    expect(error.message).toContain(message);
    expect(error.state).toBe("nothing was rolled back");
    expect(error.fix).toContain(fix);
  });

  test("a comment that merely speaks of it is no mark", async () => {
    const { input } = await migrated([
      {
        tag: "0000_a",
        sql: "CREATE TABLE a ();",
        down: "-- this is not irreversible: it can be undone\nDROP TABLE a;",
      },
    ]);
    expect((await rollback(input)).rolledBack).toHaveLength(1);
  });

  test("of several steps, one that cannot be undone keeps all from being undone", async () => {
    const { down: _, ...first } = one;
    const error = await refusal(await migrated([first, two, { ...three, down: "-- unfinished: later\n" }]), {
      steps: 3,
    });
    expect(error.message).toBe("2 of the migrations cannot be undone");
    expect(error.details.join("\n")).toMatch(
      /0002_book\.down\.sql is not finished.*\n.*0000_author has no down file/,
    );
  });

  test("a migration whose file was edited is refused", async () => {
    const it = await migrated();
    await writeFile(join(it.folder, "0002_book.sql"), "SELECT 1;");
    expect((await refusal(it)).message).toBe("0002_book.sql was changed after it had been applied");
  });

  test("a ledger row that no file has is refused", async () => {
    const it = await migrated();
    await writeMigrations(it.folder, [one, two]);
    expect((await refusal(it)).message).toMatch(/^the ledger's row 3 belongs to no file of this folder/);
  });

  test("a migration whose up file alone is gone is still undone by its down file", async () => {
    const it = await migrated();
    await rm(join(it.folder, "0002_book.sql"));
    expect((await rollback(it.input)).rolledBack).toMatchObject([{ tag: "0002_book" }]);
    expect(await exists(it.database.sql, "book")).toBe(false);
    expect(await readLedgerRows(it.database.sql)).toHaveLength(2);
  });

  test.each([
    ["a tag that is pending", "0002_book", "not-applied"],
    ["a tag that there is not", "0007_nothing", "unknown-tag"],
  ])("--to %s is refused", async (_, to, code) => {
    const it = await migrated([one, two]);
    await writeMigrations(it.folder, THREE);
    expect((await refusal(it, { to })).code).toBe(code);
  });

  test("a down file that fails leaves all as it was, and is told with file and line", async () => {
    const bad = {
      ...two,
      down: "-- back\nALTER TABLE author DROP COLUMN born;\n--> statement-breakpoint\nDROP TABLE\n  nothing;",
    };
    const it = await migrated([one, bad, three]);
    const before = await readEverything(it.database.sql);
    const result = await runCli([...it.args, "--steps", "3"]);
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain("0001_author_born.down.sql, statement 2 of 2, line 4 failed");
    expect(result.stderr).toContain('table "nothing" does not exist (42P01)');
    expect(result.stderr).toContain("state: nothing was rolled back");
    expect(await readEverything(it.database.sql)).toEqual(before);
  });
});

describe("in production", () => {
  test("the database must be named", async () => {
    const { args, database } = await migrated();
    const before = await readEverything(database.sql);
    const env = { NODE_ENV: "production" };
    const [bare, wrong] = await Promise.all([
      runCli(args, { env }),
      runCli([...args, "--confirm", "another"], { env }),
    ]);
    for (const result of [bare, wrong]) {
      expect(result.exitCode).toBe(2);
      expect(result.stderr).toContain("state: nothing was rolled back");
      expect(result.stderr).toContain(`--confirm ${database.name}`);
    }
    expect(await readEverything(database.sql)).toEqual(before);
    expect(await runCli([...args, "--confirm", database.name], { env })).toMatchObject({ exitCode: 0 });
    expect(await readLedgerRows(database.sql)).toHaveLength(2);
  });
});
