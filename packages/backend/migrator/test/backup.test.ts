import { createHash } from "node:crypto";
import { appendFile, cp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync, gzipSync } from "node:zlib";
import { createTestRole } from "@repo/test-database";
import { describe, expect, test, vi } from "vitest";
import { readSettings } from "../src/config.ts";
import { migrate, rollback } from "../src/index.ts";
import {
  expectRoundTrip,
  leftIn,
  loseRows,
  migratedPlace,
  type Place,
  putBack,
  saveAndDrop,
} from "./support/backups.ts";
import { documentOf, errorOf, runCli } from "./support/cli.ts";
import { exists, failureOf, quoted, readEverything, readLedgerRows } from "./support/database.ts";
import { BREAKPOINT, hashOf, type MigrationFiles, THREE, tagsOf, writeMigrations } from "./support/folder.ts";
import { readRunFacts } from "./support/sessions.ts";
import { temporaryFolder } from "./support/temporary.ts";
import { titled } from "./support/titled.ts";

const DAY: MigrationFiles = {
  tag: "0000_day",
  sql: "CREATE TABLE day (id serial PRIMARY KEY, note text);",
  down: "DROP TABLE day;",
};

async function dayWithRows(files: readonly MigrationFiles[] = [DAY]): Promise<Place> {
  const place = await migratedPlace(files);
  await place.sql`insert into day (note) values (${"a\nb"}), (null)`;
  return place;
}

/** Waits for a lock on the table `day` that nobody else may share. */
async function untilLocked({ sql }: Place, granted: boolean): Promise<void> {
  for (let found = 0; found === 0; await sleep(5)) {
    const locks = await sql`
      select 1 from pg_locks where relation = (select oid from pg_class where relname = 'day')
        and mode = 'AccessExclusiveLock' and granted = ${granted}`;
    found = locks.length;
  }
}

describe("a backup", () => {
  test("has a manifest that tells what lies in it, and only its owner may read it", async () => {
    const place = await dayWithRows([DAY, { tag: "0001_more", sql: "SELECT 1;", down: "SELECT 1;" }]);
    await rollback(place.input);
    const folder = await saveAndDrop(place);
    const [name] = await leftIn(place);
    expect(join(place.backups, name ?? "")).toBe(folder);
    expect(name).toMatch(/^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ_repo_test_\w+_0000_day$/);
    const file = "0001_public.day.copy.gz";
    const bytes = await readFile(join(folder, file));
    const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8"));
    expect(manifest).toEqual({
      format: 1,
      database: place.database.name,
      server: expect.stringMatching(/^\d\d\.\d+/),
      migrator: expect.any(String),
      savedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      tag: "0000_day",
      hash: hashOf(DAY.sql ?? ""),
      applied: [{ tag: "0000_day", hash: hashOf(DAY.sql ?? "") }],
      tables: [
        {
          schema: "public",
          table: "day",
          kind: "table",
          columns: [
            { name: "id", type: "integer" },
            { name: "note", type: "text" },
          ],
          key: [],
          rows: 2,
          file,
          bytes: bytes.length,
          sha256: createHash("sha256").update(bytes).digest("hex"),
          sequences: [{ column: "id", lastValue: "2" }],
        },
      ],
    });
    expect(gunzipSync(bytes).toString()).toBe("1\ta\\nb\n2\t\\N\n");
    expect((await readdir(folder)).sort()).toEqual([file, "manifest.json"]);
    const modes = [folder, join(folder, file), join(folder, "manifest.json")].map(
      async (path) => (await stat(path)).mode & 0o777,
    );
    expect(await Promise.all(modes)).toEqual([0o700, 0o600, 0o600]);
  });

  test("is named by the command line, with the command that puts it back", async () => {
    const place = await dayWithRows();
    const cwd = await temporaryFolder();
    const result = await runCli(["rollback", ...place.args, "--allow-data-loss"], { cwd });
    const [name] = await readdir(join(cwd, "backups"));
    expect(result.stdout).toMatch(/^dropped with data: table day \(2 rows\)$/m);
    expect(result.stdout).toContain(`2 rows saved in backups/${name}\n`);
    expect(result.stdout).toContain(`  migrator restore backups/${name}\n`);
    await migrate(place.input);
    const restored = await runCli(["restore", `backups/${name}`, ...place.args], { cwd });
    expect(restored).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(
        /^public\.day: 2 rows put back\nrestored what the rollback of 0000_day saved on /,
      ),
    });
    const again = await runCli(["restore", `backups/${name}`, ...place.args, "--json"], { cwd });
    expect(documentOf(again)).toMatchObject({
      tag: "0000_day",
      restored: [{ schema: "public", table: "day", rows: 0, alreadyThere: 2, missing: 0 }],
    });
  });

  test("stands in the --json document of the rollback", async () => {
    const place = await dayWithRows();
    const args = ["rollback", ...place.args, "--allow-data-loss", "--backup-folder", place.backups, "--json"];
    const result = await runCli(args);
    expect(documentOf(result)).toMatchObject({
      lost: [{ tag: "0000_day", table: "day", rows: 2 }],
      backups: [
        {
          tag: "0000_day",
          folder: join(place.backups, (await leftIn(place))[0] ?? ""),
          rows: 2,
          bytes: expect.any(Number),
          tables: [{ schema: "public", table: "day", kind: "table", rows: 2 }],
        },
      ],
    });
  });

  test.each(
    titled([
      { title: "--backup-folder before all", flag: "flag", env: "env", config: "config", where: "flag" },
      {
        title: "MIGRATOR_BACKUPS before the config",
        flag: undefined,
        env: "env",
        config: "config",
        where: "env",
      },
      {
        title: "the config's `backups`, from its own folder",
        flag: undefined,
        env: undefined,
        config: "config",
        where: "config",
      },
      {
        title: "else `backups` in the current folder",
        flag: undefined,
        env: undefined,
        config: undefined,
        where: "backups",
      },
    ]),
  )("lies where it shall: %s", async (_, { flag, env, config, where }) => {
    const folder = await temporaryFolder();
    const file = join(folder, "m.config.mjs");
    await writeFile(file, `export default ${JSON.stringify({ migrations: "m", backups: config })};`);
    vi.stubEnv("MIGRATOR_BACKUPS", env ?? "");
    const { backupFolder } = await readSettings({ config: file, backupFolder: flag });
    expect(backupFolder).toBe(config === where ? join(folder, where) : resolve(where));
  });

  test("is not made where no row goes", async () => {
    const place = await migratedPlace(THREE);
    await place.sql`insert into author values (1, 'x', null)`;
    expect(await loseRows(place, 2)).toMatchObject({ lost: [], backups: [] });
    expect(await leftIn(place)).toEqual([]);
  });

  test("is made in the middle of a run whose other migrations lose nothing", async () => {
    const nothing = (tag: string) => ({ tag, sql: "SELECT 1;", down: "SELECT 1;" });
    const place = await dayWithRows([
      nothing("0000_a"),
      nothing("0001_b"),
      { ...DAY, tag: "0002_day" },
      nothing("0003_c"),
      nothing("0004_d"),
    ]);
    const { rolledBack, backups } = await loseRows(place, 5);
    expect(rolledBack.map(({ tag }) => tag)).toEqual(["0004_d", "0003_c", "0002_day", "0001_b", "0000_a"]);
    expect(backups).toMatchObject([{ tag: "0002_day", rows: 2 }]);
  });

  test("is made of each part of a divided down file, and restored part by part", async () => {
    const place = await dayWithRows([
      {
        tag: "0000_day",
        sql: `${DAY.sql}\nCREATE TABLE other (id int PRIMARY KEY);\nCREATE INDEX day_note ON day (note);`,
        down: ["DROP TABLE other;", "DROP INDEX CONCURRENTLY day_note;", "DROP TABLE day;"].join(BREAKPOINT),
      },
    ]);
    await place.sql`insert into other values (7)`;
    const { backups, lost } = await loseRows(place);
    expect(backups.map(({ folder, rows }) => [folder.slice(-7), rows])).toEqual([
      ["_part-1", 1],
      ["_part-3", 2],
    ]);
    expect(lost.map(({ table, rows }) => [table, rows])).toEqual([
      ["other", 1],
      ["day", 2],
    ]);
    await migrate(place.input);
    for (const { folder } of backups) await putBack(place, folder);
    expect(
      await place.sql`select (select count(*)::int from day) as day, (select count(*)::int from other) as other`,
    ).toEqual([{ day: 2, other: 1 }]);
  });
});

describe("no row is missed", () => {
  test.each([
    ["to a table that held some", 2],
    ["to a table that was empty", 0],
  ])("that is written between looking and dropping, %s", async (_, already) => {
    const place = await migratedPlace([
      { ...DAY, down: `DROP TABLE day;${BREAKPOINT}SELECT pg_sleep(0.2);` },
    ]);
    await place.sql`insert into day (note) select 'x' from generate_series(1, ${already}::int)`;
    const run = loseRows(place);
    await untilLocked(place, true);
    // Queued behind the trial, so granted as soon as that is rolled back, and not yet to be seen when rows are counted.
    await place.sql.begin(async (writer) => {
      await writer`insert into day (note) values ('late')`;
      await untilLocked(place, false);
    });
    const { lost, backups } = await run;
    expect(lost).toMatchObject([{ table: "day", rows: already + 1 }]);
    expect(backups).toMatchObject([{ rows: already + 1 }]);
    await migrate(place.input);
    await putBack(place, backups[0]?.folder ?? "");
    expect(await place.sql`select 1 from day where note = 'late'`).toHaveLength(1);
  });

  test.each([
    ["with the flag", true],
    ["without", false],
  ])("of those that row security hides: the rollback is refused instead, %s", async (_, allowDataLoss) => {
    const place = await migratedPlace([]);
    const role = await createTestRole();
    const to = quoted(role.name);
    await place.sql.unsafe(
      `grant create on database ${quoted(place.database.name)} to ${to}; grant usage, create on schema public to ${to}`,
    );
    const hidden =
      "INSERT INTO day (note) VALUES ('hidden');\nALTER TABLE day ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;";
    await writeMigrations(place.input.migrations, [{ ...DAY, sql: `${DAY.sql}\n${hidden}` }]);
    const own = { ...place, input: { ...place.input, url: role.urlOf(place.database) } };
    await migrate(own.input);
    expect(await failureOf(rollback({ ...own.input, allowDataLoss }))).toMatchObject({
      details: expect.arrayContaining([
        expect.stringContaining("would be affected by row-level security"),
        expect.stringContaining("NO FORCE ROW LEVEL SECURITY"),
      ]),
      state: "nothing was rolled back",
    });
    expect(await leftIn(place)).toEqual([]);
    expect(await place.sql`select note from day`).toEqual([{ note: "hidden" }]);
  });
});

describe("nothing is dropped", () => {
  test("where the rollback fails after the rows were saved; its backup is removed", async () => {
    // Sequences go on after a ROLLBACK: the trial succeeds, the run itself does not.
    const down = `DROP TABLE day;${BREAKPOINT}SELECT 1 / (2 - nextval('runs'));`;
    const place = await dayWithRows([{ ...DAY, down }]);
    await place.sql`create sequence runs`;
    const error = await failureOf(loseRows(place));
    expect(error).toMatchObject({
      code: "statement-failed",
      message: "0000_day.down.sql, statement 2 of 2, line 3 failed",
      state: "nothing was rolled back; 0000_day was left applied, whole",
    });
    expect(await place.sql`select id from day`).toHaveLength(2);
    expect(await leftIn(place)).toEqual([]);
    expect(await loseRows(place)).toMatchObject({ backups: [{ rows: 2 }] });
  });

  test("of several migrations, those before one that fails keep their backups", async () => {
    const down = `ALTER TABLE author DROP COLUMN born;${BREAKPOINT}SELECT 1 / (2 - nextval('runs'));`;
    const place = await migratedPlace([THREE[0], { ...THREE[1], down }, THREE[2]]);
    await place.sql`create sequence runs`;
    await place.sql`insert into author values (1, 'x', '2000-01-01')`;
    await place.sql`insert into book values (1, 1)`;
    const error = await failureOf(loseRows(place, 3));
    expect(error.state).toBe("0002_book was rolled back; 0001_author_born was left applied, whole");
    expect(await leftIn(place)).toEqual([expect.stringMatching(/_0002_book$/)]);
    expect(await place.sql`select born from author`).toHaveLength(1);
  });

  test("where the folder cannot be made", async () => {
    const place = await dayWithRows();
    const before = await readEverything(place.sql);
    const inTheWay = join(place.backups, "file");
    await writeFile(inTheWay, "");
    const args = ["rollback", ...place.args, "--allow-data-loss", "--backup-folder", inTheWay, "--json"];
    const result = await runCli(args);
    expect(result.exitCode).toBe(1);
    expect(errorOf(result)).toMatchObject({
      code: "backup-failed",
      message: `the rows that would be lost cannot be saved in ${inTheWay}`,
      state: "nothing was rolled back",
      fix: expect.stringContaining("--backup-folder"),
    });
    expect(await readEverything(place.sql)).toEqual(before);
  });

  test("of a table without a key, from which a column goes; --no-backup goes on", async () => {
    const place = await migratedPlace([
      { tag: "0000_bag", sql: "CREATE TABLE bag (n int);" },
      {
        tag: "0001_note",
        sql: "ALTER TABLE bag ADD COLUMN note text;",
        down: "ALTER TABLE bag DROP COLUMN note;",
      },
      { tag: "0002_day", sql: DAY.sql, down: DAY.down ?? "" },
    ]);
    await place.sql`insert into bag values (1, 'a'), (1, 'b')`;
    await place.sql`insert into day values (1)`;
    expect(await failureOf(loseRows(place, 2))).toMatchObject({
      code: "no-key",
      message: expect.stringContaining("column bag.note cannot be saved"),
      state: "nothing was rolled back",
      fix: expect.stringContaining("--no-backup"),
    });
    expect(await readLedgerRows(place.sql)).toHaveLength(3);
  });
});

describe("--no-backup", () => {
  test("drops the rows unsaved, and the run log keeps the reason", async () => {
    const place = await dayWithRows();
    const reason = "a copy of production, made an hour ago; it's fine";
    const args = ["rollback", ...place.args, "--allow-data-loss", "--backup-folder", place.backups];
    const result = await runCli([...args, "--no-backup", reason, "--json"]);
    expect(documentOf(result)).toMatchObject({ lost: [{ table: "day", rows: 2 }], backups: [] });
    expect(await leftIn(place)).toEqual([]);
    expect((await readRunFacts(place.sql)).at(-1)).toMatchObject({
      direction: "down",
      outcome: "done",
      error: `rows not saved: ${reason}`,
    });
    expect(await exists(place.sql, "day")).toBe(false);
  });

  test.each([
    ["without a reason", { allowDataLoss: true, noBackup: " " }, /^--no-backup needs a reason/],
    [
      "without --allow-data-loss",
      { noBackup: "why" },
      /^--no-backup means nothing without --allow-data-loss/,
    ],
  ])("is refused %s", async (_, options, words) => {
    const place = await dayWithRows();
    const before = await readEverything(place.sql);
    const error = await failureOf(rollback({ ...place.input, ...options }));
    expect(error).toMatchObject({ code: "wrong-usage", exitCode: 2, message: expect.stringMatching(words) });
    expect(await readEverything(place.sql)).toEqual(before);
  });

  test("is refused with nothing behind it", async () => {
    const result = await runCli(["rollback", "--allow-data-loss", "--no-backup"]);
    expect(result).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("argument missing") });
  });
});

describe("a backup that is not as it was written is refused", () => {
  const FILE = "0001_public.day.copy.gz";
  const changed =
    (change: (manifest: { readonly tables: readonly object[] }) => unknown) => async (folder: string) => {
      const path = join(folder, "manifest.json");
      await writeFile(path, JSON.stringify(change(JSON.parse(await readFile(path, "utf8")))));
    };

  test.each(
    titled([
      {
        title: "as many other rows",
        change: (folder: string) => writeFile(join(folder, FILE), gzipSync("1\tx\n2\ty\n")),
        code: "backup-damaged",
        says: /copy\.gz has sha256/,
      },
      {
        title: "one bit turned",
        change: async (folder: string) => {
          const bytes = await readFile(join(folder, FILE));
          bytes[bytes.length - 12] = (bytes[bytes.length - 12] ?? 0) ^ 1;
          await writeFile(join(folder, FILE), bytes);
        },
        code: "backup-damaged",
        says: /has sha256|cannot be read/,
      },
      {
        title: "cut short",
        change: async (folder: string) =>
          writeFile(join(folder, FILE), (await readFile(join(folder, FILE))).subarray(0, 15)),
        code: "backup-damaged",
        says: /cannot be read: unexpected end of file/,
      },
      {
        title: "a file gone",
        change: (folder: string) => rm(join(folder, FILE)),
        code: "backup-damaged",
        says: /cannot be read: ENOENT/,
      },
      {
        title: "another number of rows",
        change: changed((it) => ({ ...it, tables: [{ ...it.tables[0], rows: 3 }] })),
        code: "backup-damaged",
        says: /has 2 rows; the manifest says 3/,
      },
      {
        title: "a file outside of the folder",
        change: changed((it) => ({
          ...it,
          tables: [{ ...it.tables[0], file: "../x.copy.gz" }],
        })),
        code: "backup-unreadable",
        says: /is not a backup's manifest/,
      },
      {
        title: "a later format",
        change: changed((it) => ({ ...it, format: 2 })),
        code: "backup-unreadable",
        says: /has format 2, and this version reads format 1/,
      },
      {
        title: "no JSON",
        change: (folder: string) => appendFile(join(folder, "manifest.json"), "}"),
        code: "backup-unreadable",
        says: /is not JSON/,
      },
      {
        title: "no manifest",
        change: (folder: string) => rm(join(folder, "manifest.json")),
        code: "backup-unreadable",
        says: /holds no backup: manifest.json cannot be read/,
      },
      {
        title: "not there",
        change: (folder: string) => rename(folder, `${folder}-elsewhere`),
        code: "backup-unreadable",
        says: /holds no backup/,
      },
    ]),
  )("%s", async (_, { change, code, says }) => {
    const place = await applied;
    const folder = join(await temporaryFolder(), "copy");
    await cp(place.folder, folder, { recursive: true });
    await change(folder);
    const error = await failureOf(putBack(place, folder));
    expect(error).toMatchObject({ code, state: "nothing was put back", exitCode: 2 });
    expect([error.message, ...error.details].join("\n")).toMatch(says);
    expect(await place.sql`select * from day`).toEqual([]);
  });

  const applied = prepareOnce();
  async function prepareOnce() {
    const place = await dayWithRows();
    const folder = await saveAndDrop(place);
    await migrate(place.input);
    return { ...place, folder };
  }
});

test("tags and hashes in the manifest are those of the ledger, whatever order the folder has", async () => {
  const place = await migratedPlace(THREE);
  await place.sql`insert into author values (1, 'x', null)`;
  await place.sql`insert into book values (1, 1)`;
  const folder = await saveAndDrop(place);
  const { applied } = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8"));
  expect(applied.map(({ tag }: { tag: string }) => tag)).toEqual(tagsOf(THREE));
  await migrate(place.input);
  await putBack(place, folder);
  await expectRoundTrip(place, "book");
});
