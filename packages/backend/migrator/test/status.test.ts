import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestDatabase, createTestRole, type TestDatabase } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { migrate, rollback, status } from "../src/index.ts";
import { documentOf, runCli } from "./support/cli.ts";
import { quoted, readEverything, readSchemas } from "./support/database.ts";
import { hashOf, type MigrationFiles, makeFolder, THREE, writeMigrations } from "./support/folder.ts";

const FIVE: readonly MigrationFiles[] = [
  { tag: "0000_applied", sql: "SELECT 0;" },
  { tag: "0001_edited", sql: "SELECT 1;" },
  { tag: "0002_missing", sql: "SELECT 2;" },
  { tag: "0003_pending", sql: "SELECT 3;" },
];

/** A database and a folder that show all five states. */
async function allStates(): Promise<{ database: TestDatabase; folder: string }> {
  const database = await createTestDatabase();
  const folder = await makeFolder(FIVE);
  await migrate({ migrations: folder, url: database.url, to: "0002_missing" });
  await database.sql.unsafe(
    `insert into drizzle.__drizzle_migrations (hash, created_at) values ('${hashOf("elsewhere")}', 1)`,
  );
  await writeFile(join(folder, "0001_edited.sql"), "SELECT 'changed';");
  await rm(join(folder, "0002_missing.sql"));
  return { database, folder };
}

function argsFor(database: TestDatabase, folder: string, ...more: string[]): string[] {
  return ["status", "--migrations", folder, "--url", database.url, ...more];
}

describe("status", () => {
  test("--json has exactly the documented form, with all five states", async () => {
    const { database, folder } = await allStates();
    const result = await runCli(argsFor(database, folder, "--json"));
    expect(result.exitCode).toBe(1);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    const ms = expect.any(Number);
    expect(documentOf(result)).toEqual({
      database: database.name,
      server: expect.stringMatching(/^\S+:\d+ \(PostgreSQL \d+\.\d+\)$/),
      migrations: [
        { tag: "0000_applied", hash: hashOf("SELECT 0;"), state: "applied", appliedAt: time, durationMs: ms },
        {
          tag: "0001_edited",
          hash: hashOf("SELECT 'changed';"),
          state: "edited",
          appliedAt: time,
          durationMs: ms,
        },
        { tag: "0002_missing", hash: hashOf("SELECT 2;"), state: "missing", appliedAt: time, durationMs: ms },
        {
          tag: "0003_pending",
          hash: hashOf("SELECT 3;"),
          state: "pending",
          appliedAt: null,
          durationMs: null,
        },
        { tag: null, hash: hashOf("elsewhere"), state: "unknown", appliedAt: null, durationMs: null },
      ],
      problems: [
        ["edited", "error", "0001_edited"],
        ["missing-file", "error", "0002_missing"],
        ["unknown-applied", "warning", null],
      ].map(([code, severity, tag]) => ({
        code,
        severity,
        tag,
        message: expect.any(String),
        fix: expect.any(String),
      })),
    });
  });

  test("as text it is a table on stdout, with problems and fixes on stderr", async () => {
    const { database, folder } = await allStates();
    const result = await runCli(argsFor(database, folder));
    expect(result.exitCode).toBe(1);
    const at = "\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d UTC";
    for (const line of [
      `0000_applied +applied +${at} +\\d+ ms`,
      `0001_edited +edited +${at} +\\d+ ms`,
      `0002_missing +missing +${at} +\\d+ ms`,
      "0003_pending +pending",
      `\\(no file\\) ${hashOf("elsewhere").slice(0, 8)} +unknown`,
      `1 applied, 1 edited, 1 missing, 1 pending, 1 unknown; database ${database.name} at .*`,
    ]) {
      expect(result.stdout).toMatch(new RegExp(`^ *${line}$`, "m"));
    }
    expect(result.stderr).toMatch(/^error edited: .*\n {2}fix: /m);
    expect(result.stderr).toMatch(/^warning unknown-applied: .*\n {2}fix: /m);
  });

  test("pending is no problem, and one with --fail-on-pending", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder(THREE);
    const before = await Promise.all([
      runCli(argsFor(database, folder)),
      runCli(argsFor(database, folder, "--fail-on-pending")),
    ]);
    expect(before.map(({ exitCode }) => exitCode)).toEqual([0, 1]);
    await migrate({ migrations: folder, url: database.url });
    expect(await runCli(argsFor(database, folder, "--fail-on-pending"))).toMatchObject({ exitCode: 0 });
  });

  test("a warning alone leaves the exit code 0", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder(THREE);
    await writeFile(join(folder, "0009_lost.sql"), "");
    const result = await runCli(argsFor(database, folder));
    expect(result).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("warning not-in-journal") });
  });

  test("it reads only: an empty database stays empty, a migrated one as it is", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder(THREE);
    await status({ migrations: folder, url: database.url });
    expect(await readSchemas(database.sql)).toEqual(["public"]);
    await migrate({ migrations: folder, url: database.url });
    const before = await readEverything(database.sql);
    await status({ migrations: folder, url: database.url });
    expect(await readEverything(database.sql)).toEqual(before);
  });

  test("it works with a read-only session of a role that may read the ledger alone", async () => {
    const [database, role] = await Promise.all([
      createTestDatabase(),
      createTestRole({ settings: { default_transaction_read_only: "on" } }),
    ]);
    const folder = await makeFolder(THREE);
    await migrate({ migrations: folder, url: database.url });
    await database.sql.unsafe(`grant usage on schema drizzle to ${quoted(role.name)}`);
    await database.sql.unsafe(`grant select on drizzle.__drizzle_migrations to ${quoted(role.name)}`);
    const { migrations } = await status({ migrations: folder, url: role.urlOf(database) });
    expect(migrations.map(({ state, appliedAt }) => [state, appliedAt])).toEqual(
      THREE.map(() => ["applied", null]),
    );
  });

  test("the times are those of the server, and of the migration alone", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder([
      { tag: "0000_slow", sql: "SELECT pg_sleep(1);" },
      { tag: "0001_fast", sql: "SELECT 1;" },
    ]);
    const [start] = await database.sql<{ at: Date }[]>`select clock_timestamp() as at`;
    await migrate({ migrations: folder, url: database.url });
    const [end] = await database.sql<{ at: Date }[]>`select clock_timestamp() as at`;
    const [slow, fast] = (await status({ migrations: folder, url: database.url })).migrations;
    expect(slow?.durationMs).toBeGreaterThanOrEqual(1_000);
    expect(fast?.durationMs).toBeLessThan(1_000);
    for (const migration of [slow, fast]) {
      const at = Date.parse(migration?.appliedAt ?? "");
      expect(at).toBeGreaterThanOrEqual(start?.at.getTime() ?? Number.NaN);
      expect(at).toBeLessThanOrEqual((end?.at.getTime() ?? Number.NaN) + 1);
    }
  });

  test("the times are in UTC, whatever the session's time zone", async () => {
    const [database, role] = await Promise.all([
      createTestDatabase(),
      createTestRole({ settings: { timezone: "Asia/Tokyo" } }),
    ]);
    await database.sql.unsafe(`grant create on database ${quoted(database.name)} to ${quoted(role.name)}`);
    const input = {
      migrations: await makeFolder([{ tag: "0000_a", sql: "SELECT 1;" }]),
      url: role.urlOf(database),
    };
    const before = Date.now();
    await migrate(input);
    const at = Date.parse((await status(input)).migrations[0]?.appliedAt ?? "");
    expect(Math.abs(at - before)).toBeLessThan(60_000);
  });

  test("after a rollback a migration is pending without a time, and after another run it has the new one", async () => {
    const database = await createTestDatabase();
    const input = { migrations: await makeFolder(THREE), url: database.url };
    await migrate(input);
    const first = (await status(input)).migrations[2];
    await rollback(input);
    expect((await status(input)).migrations[2]).toMatchObject({
      state: "pending",
      appliedAt: null,
      durationMs: null,
    });
    await migrate(input);
    const again = (await status(input)).migrations[2];
    expect(again?.state).toBe("applied");
    expect(Date.parse(again?.appliedAt ?? "")).toBeGreaterThan(Date.parse(first?.appliedAt ?? ""));
  });

  test("a failed attempt leaves no time of application", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder([THREE[0], { tag: "0001_bad", sql: "SELECT oops;" }]);
    const input = { migrations: folder, url: database.url };
    await migrate(input).catch(() => undefined);
    await writeMigrations(folder, [THREE[0], { tag: "0001_bad", sql: "SELECT oops;" }]);
    expect((await status(input)).migrations[1]).toMatchObject({ state: "pending", appliedAt: null });
  });

  test("an empty folder has no migrations", async () => {
    const database = await createTestDatabase();
    const result = await runCli(argsFor(database, await makeFolder([])));
    expect(result).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("no migrations; database") });
  });

  test("tells of a snapshot that a merge conflict has broken", async () => {
    const [database, folder] = await Promise.all([createTestDatabase(), makeFolder(THREE)]);
    await writeFile(join(folder, "meta", "0001_snapshot.json"), "<<<<<<< HEAD\n");
    const { problems } = await status({ migrations: folder, url: database.url });
    expect(problems).toMatchObject([{ code: "snapshot-chain-broken", tag: THREE[1].tag }]);
    expect(problems[0]?.message).toContain("merge conflict");
  });
});
