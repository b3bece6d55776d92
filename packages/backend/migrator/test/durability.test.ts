import { createTestDatabase } from "@repo/test-database";
import { describe, expect, onTestFinished, test } from "vitest";
import { migrate, rollback, status } from "../src/index.ts";
import { failureOf, quoted } from "./support/database.ts";
import { type MigrationFiles, makeFolder, tagsOf } from "./support/folder.ts";
import { startOwnServer } from "./support/own-server.ts";
import { until } from "./support/sessions.ts";

/** Notes how a transaction ends. */
const NOTE = "INSERT INTO seen (setting) VALUES (current_setting('synchronous_commit'));";

function noting(count: number): readonly MigrationFiles[] {
  return [
    { tag: "0000_base", sql: "CREATE TABLE seen (n int GENERATED ALWAYS AS IDENTITY, setting text);" },
    ...Array.from({ length: count }, (_, index) => ({
      tag: `000${index + 1}_note`,
      sql: `${NOTE} -- ${index}`,
      down: `${NOTE} -- ${index}`,
    })),
  ];
}

test("of a run's commits only the last is waited for until it is on the disk, of a rollback's each", async () => {
  const { sql, url, name } = await createTestDatabase();
  await sql.unsafe(`alter database ${quoted(name)} set synchronous_commit = 'on'`);
  const readSeen = async () =>
    (await sql<{ setting: string }[]>`select setting from seen order by n`).map(({ setting }) => setting);
  const settings = { migrations: await makeFolder(noting(4)), url };
  await migrate({ ...settings, to: "0003_note" });
  await migrate(settings);
  expect(await readSeen()).toEqual(["off", "off", "on", "on"]);
  await rollback({ ...settings, steps: 2 });
  expect((await readSeen()).slice(4)).toEqual(["on", "on"]);
});

describe("on a server that writes its log to the disk only when a commit waits for that", () => {
  const LAZY = { wal_writer_delay: "10s", synchronous_commit: "on" };
  const FILES: readonly MigrationFiles[] = [
    { tag: "0000_a", sql: "CREATE TABLE a (n int);" },
    { tag: "0001_b", sql: "CREATE TABLE b (n int);" },
  ];

  test("all that was applied outlives a crash, also where the run failed or was stopped", async () => {
    const server = await startOwnServer(LAZY);
    onTestFinished(() => server.remove());
    const failing = { tag: "0002_c", sql: "SELECT 1 / 0;" };
    const controller = new AbortController();
    const whole = { migrations: await makeFolder(FILES), url: await server.createDatabase("whole") };
    const failed = {
      migrations: await makeFolder([...FILES, failing]),
      url: await server.createDatabase("failed"),
    };
    const stopped = { ...whole, url: await server.createDatabase("stopped") };
    await migrate(whole);
    await failureOf(migrate(failed));
    await failureOf(
      migrate({
        ...stopped,
        migrations: await makeFolder([...FILES, { tag: "0002_c", sql: "SELECT pg_sleep(30);" }]),
        signal: controller.signal,
        on: (event) => {
          if (event.type === "ran" && event.tag === "0001_b") controller.abort();
        },
      }),
    );
    await server.stopHard();
    await server.startAgain();
    for (const place of [whole, failed, stopped]) {
      const { migrations } = await status(place);
      expect(migrations.slice(0, 2).map(({ state }) => state)).toEqual(["applied", "applied"]);
    }
  });

  test("a run that the crash itself ends says so of what it had told, and a re-run finishes", async () => {
    const server = await startOwnServer(LAZY);
    onTestFinished(() => server.remove());
    const files = [
      ...FILES,
      {
        tag: "0002_c",
        sql: "SELECT pg_sleep(case when current_setting('x.fast', true) is null then 30 else 0 end);",
      },
    ];
    const place = { migrations: await makeFolder(files), url: await server.createDatabase("crashed") };
    const told: string[] = [];
    const run = failureOf(migrate({ ...place, on: (event) => event.type === "ran" && told.push(event.tag) }));
    await until("the first two", async () => told.length === 2 || undefined);
    await server.stopHard();
    const error = await run;
    expect(error.code).toBe("connection-lost");
    expect(error.state).toMatch(
      /^0000_a, 0001_b were applied, of which a crash of the server may have undone the last; /,
    );
    await server.startAgain();
    await server.run("alter database crashed set x.fast = '1'");
    await migrate(place);
    const { migrations } = await status(place);
    expect(migrations.map(({ tag, state }) => `${tag} ${state}`)).toEqual(
      tagsOf(files).map((tag) => `${tag} applied`),
    );
  });
});
