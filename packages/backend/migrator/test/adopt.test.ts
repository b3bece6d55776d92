import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestDatabase, type TestDatabase } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { migrate, status } from "../src/index.ts";
import { documentOf, runCli } from "./support/cli.ts";
import { exists, readEverything, readLedgerRows } from "./support/database.ts";
import { hashOf, makeFolder, THREE, writeMigrations } from "./support/folder.ts";

function on(database: TestDatabase, folder: string): readonly string[] {
  return ["--migrations", folder, "--url", database.url];
}

/** A database with the three migrations' schema and no ledger, as another tool would leave it. */
async function foreign(): Promise<{ readonly database: TestDatabase; readonly folder: string }> {
  const database = await createTestDatabase();
  for (const { sql } of THREE) await database.sql.unsafe(sql ?? "");
  return { database, folder: await makeFolder(THREE) };
}

describe("baseline", () => {
  test("writes the ledger that migrating would have written, and runs nothing", async () => {
    const { database, folder } = await foreign();
    const migrated = await createTestDatabase();
    await migrate({ migrations: folder, url: migrated.url });
    const result = await runCli(["baseline", ...on(database, folder)]);
    expect(result).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining("3 migrations recorded; nothing was run"),
    });
    expect(await readLedgerRows(database.sql)).toEqual(await readLedgerRows(migrated.sql));
    const { migrations } = await status({ migrations: folder, url: database.url });
    expect(migrations.map(({ state, appliedAt }) => [state, appliedAt])).toEqual(
      Array(3).fill(["applied", null]),
    );
  });

  test("up to a tag leaves the rest pending, and migrate goes on from there", async () => {
    const { database, folder } = await foreign();
    await database.sql`drop table book`;
    const result = await runCli(["baseline", "--to", "0001_author_born", "--json", ...on(database, folder)]);
    expect(documentOf(result)).toMatchObject({ recorded: ["0000_author", "0001_author_born"] });
    expect(await migrate({ migrations: folder, url: database.url })).toMatchObject({
      applied: [{ tag: "0002_book" }],
    });
  });

  test("is refused where there is a ledger already, with nothing written", async () => {
    const { database, folder } = await foreign();
    await runCli(["baseline", ...on(database, folder)]);
    const before = await readEverything(database.sql);
    const result = await runCli(["baseline", ...on(database, folder)]);
    expect(result).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("has 3 rows already") });
    expect(await readEverything(database.sql)).toEqual(before);
  });

  test("is refused on an empty database, which cannot have the schema", async () => {
    const database = await createTestDatabase();
    const result = await runCli(["baseline", ...on(database, await makeFolder(THREE))]);
    expect(result).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("no table at all") });
    expect(await exists(database.sql, "drizzle.__drizzle_migrations")).toBe(false);
  });

  test("is refused for an unknown tag and for a folder with a missing file", async () => {
    const { database, folder } = await foreign();
    expect(await runCli(["baseline", "--to", "0009_x", ...on(database, folder)])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("fix: give --to one of these"),
    });
    await rm(join(folder, "0002_book.sql"));
    expect(await runCli(["baseline", ...on(database, folder)])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("0002_book.sql is not in the folder"),
    });
    expect(await exists(database.sql, "drizzle.__drizzle_migrations")).toBe(false);
  });
});

describe("repair", () => {
  /** A migrated database whose ledger has then been changed by hand. */
  async function damaged(...statements: readonly string[]) {
    const database = await createTestDatabase();
    const folder = await makeFolder(THREE);
    await migrate({ migrations: folder, url: database.url });
    const rows = await readLedgerRows(database.sql);
    for (const statement of statements) await database.sql.unsafe(statement);
    return { database, folder, rows };
  }

  const LEDGER = "drizzle.__drizzle_migrations";

  test("has nothing to do on a ledger that fits", async () => {
    const { database, folder } = await damaged();
    const result = await runCli(["repair", "--write", ...on(database, folder)]);
    expect(result).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^nothing to repair; /) });
  });

  test.each([
    [
      "a created_at that is not the journal's when",
      `update ${LEDGER} set created_at = 5 where id = 2`,
      "realign",
    ],
    [
      "an exact duplicate",
      `insert into ${LEDGER} (hash, created_at) select hash, created_at from ${LEDGER} where id = 1`,
      "remove-duplicate",
    ],
  ])("shows %s without changing it, and mends it with --write", async (_, damage, kind) => {
    const { database, folder, rows } = await damaged(damage);
    const before = await readLedgerRows(database.sql);
    const shown = await runCli(["repair", "--json", ...on(database, folder)]);
    expect(documentOf(shown)).toMatchObject({ written: false, repairs: [{ kind }] });
    expect(await readLedgerRows(database.sql)).toEqual(before);
    const made = await runCli(["repair", "--write", "--json", ...on(database, folder)]);
    expect(documentOf(made)).toMatchObject({ written: true, repairs: [{ kind }] });
    expect(await readLedgerRows(database.sql)).toEqual(rows);
  });

  test("accepts an edited file by name alone", async () => {
    const { database, folder, rows } = await damaged();
    const edited = "CREATE TABLE author (id int PRIMARY KEY, name text NOT NULL); -- a comment more";
    await writeFile(join(folder, "0000_author.sql"), edited);
    expect(documentOf(await runCli(["repair", "--write", "--json", ...on(database, folder)]))).toMatchObject({
      repairs: [],
    });
    expect(await readLedgerRows(database.sql)).toEqual(rows);
    await runCli(["repair", "--accept", "0000_author", "--write", ...on(database, folder)]);
    expect(await readLedgerRows(database.sql)).toEqual([
      { ...rows?.[0], hash: hashOf(edited) },
      ...(rows ?? []).slice(1),
    ]);
    expect((await status({ migrations: folder, url: database.url })).problems).toEqual([]);
  });

  test.each([
    ["--accept", "0001_author_born", "nothing to accept"],
    ["--forget", "0001_author_born", "nothing to forget"],
    ["--accept", "0009_none", "fix: give --accept one of these"],
  ])("refuses %s %s, where there is none", async (flag, tag, words) => {
    const { database, folder, rows } = await damaged();
    const result = await runCli(["repair", flag, tag, "--write", ...on(database, folder)]);
    expect(result).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(words) });
    expect(await readLedgerRows(database.sql)).toEqual(rows);
  });

  test.each([
    ["another created_at", "7"],
    ["no created_at", "null"],
  ])("leaves a row of the same hash with %s to a person: it is no exact duplicate", async (_, when) => {
    const insert = `insert into ${LEDGER} (hash, created_at) select hash, ${when} from ${LEDGER} where id = 1`;
    const { database, folder } = await damaged(insert);
    const before = await readLedgerRows(database.sql);
    const result = documentOf(await runCli(["repair", "--write", "--json", ...on(database, folder)]));
    expect(result).toMatchObject({ repairs: [], written: false });
    expect(await readLedgerRows(database.sql)).toEqual(before);
  });

  test("keeps one of two rows that are each other's duplicates alone", async () => {
    const insert = `insert into ${LEDGER} (hash, created_at) select hash, 7 from ${LEDGER} where id = 1`;
    const { database, folder } = await damaged(
      insert,
      insert.replace("id = 1", "id = 1 and created_at <> 7"),
    );
    await runCli(["repair", "--write", ...on(database, folder)]);
    expect((await readLedgerRows(database.sql))?.map(({ id }) => id)).toEqual([1, 2, 3, 4]);
  });

  test("leaves rows alone that no file has", async () => {
    const { database, folder } = await damaged(`insert into ${LEDGER} (hash, created_at) values ('ffff', 1)`);
    expect(documentOf(await runCli(["repair", "--write", "--json", ...on(database, folder)]))).toMatchObject({
      repairs: [],
    });
    expect(await readLedgerRows(database.sql)).toHaveLength(4);
  });
});

describe("v1-check", () => {
  /** Codes that v1-check finds on a migrated database after the folder was changed. */
  async function findings(change: (folder: string, database: TestDatabase) => Promise<void>) {
    const database = await createTestDatabase();
    const folder = await makeFolder(THREE);
    await migrate({ migrations: folder, url: database.url });
    await change(folder, database);
    const result = await runCli(["v1-check", "--json", ...on(database, folder)]);
    const { findings } = documentOf(result) as { findings: readonly { code: string }[] };
    return { exitCode: result.exitCode, codes: findings.map(({ code }) => code) };
  }

  const [one, two, three] = THREE;
  const snapshot = (folder: string, number: string, ids: object) =>
    writeFile(join(folder, "meta", `${number}_snapshot.json`), JSON.stringify(ids));

  test("finds nothing on a folder that is in order", async () => {
    expect(await findings(async () => {})).toEqual({ exitCode: 0, codes: [] });
  });

  test.each<[string, (folder: string, database: TestDatabase) => Promise<void>, string[]]>([
    [
      "two migrations of one second",
      (folder) => writeMigrations(folder, [one, { ...two, when: 1_700_000_000_400 }, three]),
      ["when-mismatch", "same-second"],
    ],
    [
      "an order that the times do not have",
      (folder) => writeMigrations(folder, [one, { ...two, when: 1_600_000_000_000 }, three]),
      ["when-mismatch", "when-not-increasing"],
    ],
    ["a missing snapshot", (folder) => rm(join(folder, "meta", "0001_snapshot.json")), ["snapshot-missing"]],
    ["a missing file", (folder) => rm(join(folder, "0001_author_born.sql")), ["missing-file"]],
    ["a snapshot that belongs to nothing", (folder) => snapshot(folder, "0009", {}), ["orphan-snapshot"]],
    ["an edited file", (folder) => writeFile(join(folder, "0002_book.sql"), "SELECT 1;"), ["edited"]],
    [
      "two roots of snapshots",
      async (folder) => {
        const prevId = "00000000-0000-0000-0000-000000000000";
        await snapshot(folder, "0000", { id: "a", prevId });
        await snapshot(folder, "0001", { id: "of 0001_author_born", prevId });
      },
      ["snapshot-chain-broken", "two-roots"],
    ],
    [
      "a ledger row of no file, and one twice",
      async (_, { sql }) => {
        await sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('ffff', 1)`;
        await sql`insert into drizzle.__drizzle_migrations (hash, created_at) select hash, created_at from drizzle.__drizzle_migrations where id = 1`;
      },
      ["unknown-applied", "duplicate-ledger-row"],
    ],
  ])("finds %s, exit 1", async (_, change, codes) => {
    expect(await findings(change)).toEqual({ exitCode: 1, codes });
  });
});
