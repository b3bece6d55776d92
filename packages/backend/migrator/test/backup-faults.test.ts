import { join } from "node:path";
import { expect, test } from "vitest";
import { migrate, rollback } from "../src/index.ts";
import { leftIn, loseRows, migratedPlace, type Place, putBack } from "./support/backups.ts";
import { errorOf, runCli, startCli } from "./support/cli.ts";
import { exists, failureOf, readEverything, readLedgerRows } from "./support/database.ts";
import type { MigrationFiles } from "./support/folder.ts";
import { watchMemory } from "./support/memory.ts";
import { startProxy } from "./support/proxy.ts";
import { expectNoRunner, readRunners, until, untilRuns } from "./support/sessions.ts";
import { makeSmallDisk } from "./support/small-disk.ts";

const BIG: MigrationFiles = {
  tag: "0000_big",
  sql: "CREATE TABLE big (id int, a text, b text, at timestamptz DEFAULT now());",
  down: "DROP TABLE big;",
};

/** About 140 bytes a row, a part of them such that compress badly; more where `a` is repeated. */
async function bigPlace(rows: number, repeats = 1): Promise<Place> {
  const place = await migratedPlace([BIG]);
  await place.sql`insert into big select i, repeat(md5(i::text), ${repeats}), repeat('b', 60) || i from generate_series(1, ${rows}::int) i`;
  return place;
}

async function sumOf({ sql }: Place): Promise<unknown> {
  const [row] =
    await sql`select count(*)::int as rows, sum(hashtext(a) # id)::text as sum, max(b) as b, max(at)::text as at from big`;
  return row;
}

const rollbackArgs = ({ args, backups }: Place) => [
  ...["rollback", ...args, "--allow-data-loss", "--backup-folder", backups],
];

test("140 MB of rows are saved and put back in little memory", async () => {
  // Wide ones: a million of 140 bytes say no more, and take minutes where all else is busy.
  const place = await bigPlace(110_000, 36);
  const before = await sumOf(place);
  const started = performance.now();
  const saving = await watchMemory(await startCli(rollbackArgs(place)));
  expect(saving.result).toMatchObject({ exitCode: 0 });
  const between = performance.now();
  await migrate(place.input);
  const [name = ""] = await leftIn(place);
  const restoring = await watchMemory(await startCli(["restore", join(place.backups, name), ...place.args]));
  expect(restoring.result).toMatchObject({ exitCode: 0 });
  const ended = performance.now();
  console.info(
    `140 MB of rows: saved in ${Math.round(between - started)} ms with ${saving.peakMb} MB, put back in ${Math.round(ended - between)} ms with ${restoring.peakMb} MB`,
  );
  expect(await sumOf(place)).toEqual(before);
  // A command that saves or restores one row holds 55.
  expect(saving.peakMb).toBeLessThan(170);
  expect(restoring.peakMb).toBeLessThan(170);
});

test("killed while it saves: nothing is dropped, no backup looks finished, and a re-run does it", async () => {
  const place = await bigPlace(150_000);
  const before = await readEverything(place.sql);
  const run = await startCli(rollbackArgs(place));
  await until("a draft", async () => (await leftIn(place)).length > 0);
  run.kill("SIGKILL");
  await run.done;
  await expectNoRunner(place.sql);
  const [draft = "", ...others] = await leftIn(place);
  expect(others).toEqual([]);
  expect(draft).toMatch(/^\..*\.unfinished$/);
  expect(await readEverything(place.sql)).toEqual(before);
  const refused = await runCli(["restore", join(place.backups, draft), ...place.args, "--json"]);
  expect(errorOf(refused).code).toBe("backup-unreadable");
  expect(await loseRows(place)).toMatchObject({ backups: [{ rows: 150_000 }] });
});

test("cancelled while it commits: either the table stands, or its rows are saved", async () => {
  const place = await migratedPlace([{ ...BIG, down: "DROP TABLE big; SELECT pg_sleep(0.3);" }]);
  await place.sql`insert into big values (1)`;
  // The server notices a cancellation after the commit where it then has a duration to log; and the commit takes a while.
  const [{ name = "" } = {}] = await place.sql<{ name: string }[]>`select current_database() as name`;
  for (const setting of ["commit_delay = 100000", "commit_siblings = 0", "log_min_duration_statement = 0"])
    await place.sql.unsafe(`alter database ${name} set ${setting}`);
  const run = await startCli([...rollbackArgs(place), "--json"]);
  const sleeps = async () => {
    const runner = (await readRunners(place.sql)).find(({ wait }) => wait === "Timeout");
    return runner?.query.includes("0000_big.down.sql") ? runner : undefined;
  };
  // The loss is measured first: the file runs twice.
  await until("the trial", sleeps);
  await until("its end", async () => !(await sleeps()));
  const { pid } = await until("the file", sleeps);
  await until("the commit", async () => !(await sleeps()));
  await place.sql`select pg_cancel_backend(${pid})`;
  const { exitCode } = await run.done;
  const stands = await exists(place.sql, "big");
  expect({ exitCode, backups: (await leftIn(place)).length }).toEqual(
    stands ? { exitCode: 1, backups: 0 } : { exitCode: 0, backups: 1 },
  );
  expect(await readLedgerRows(place.sql)).toHaveLength(stands ? 1 : 0);
});

test("killed while it restores: nothing is put back, and a re-run puts all back", async () => {
  const place = await bigPlace(150_000);
  const before = await sumOf(place);
  const { backups } = await loseRows(place);
  const folder = backups[0]?.folder ?? "";
  await migrate(place.input);
  const run = await startCli(["restore", folder, ...place.args]);
  await untilRuns(place.sql, "copy ");
  run.kill("SIGKILL");
  await run.done;
  await expectNoRunner(place.sql);
  expect(await place.sql`select from big limit 1`).toEqual([]);
  await putBack(place, folder);
  expect(await sumOf(place)).toEqual(before);
});

test.each(["SIGINT", "SIGTERM"] as const)(
  "%s while it saves: nothing is dropped, nothing is left",
  async (signal) => {
    const place = await bigPlace(150_000);
    const before = await readEverything(place.sql);
    const run = await startCli([...rollbackArgs(place), "--json"]);
    await until("a draft", async () => (await leftIn(place)).length > 0);
    run.kill(signal);
    const result = await run.done;
    expect(result.exitCode).toBe(1);
    expect(errorOf(result)).toMatchObject({
      code: "interrupted",
      state: "nothing was rolled back; 0000_big was left applied, whole",
    });
    const { runs: _, ...after } = (await readEverything(place.sql)) as { runs: unknown };
    expect(before).toMatchObject(after);
    expect(await leftIn(place)).toEqual([]);
  },
);

test("cut off by the server while it saves: nothing is dropped, nothing is left", async () => {
  const place = await bigPlace(150_000);
  const before = await sumOf(place);
  const run = failureOf(loseRows(place));
  const { pid } = await untilRuns(place.sql, "copy (select");
  await place.sql`select pg_terminate_backend(${pid})`;
  expect((await run).state).toBe("nothing was rolled back; 0000_big was left applied, whole");
  expect(await sumOf(place)).toEqual(before);
  expect(await leftIn(place)).toEqual([]);
  await expectNoRunner(place.sql);
});

test("a connection lost after it saved: the backup is kept, for the rows are gone", async () => {
  const slowNow = "SELECT pg_sleep(CASE nextval('runs') WHEN 1 THEN 0 ELSE 0.6 END) /* the second time */;";
  const place = await migratedPlace([{ ...BIG, down: `DROP TABLE big;\n${slowNow}` }]);
  await place.sql`create sequence runs`;
  await place.sql`insert into big values (1, 'a', 'b')`;
  const proxy = await startProxy(place.input.url);
  const warnings: string[] = [];
  const run = failureOf(
    rollback({
      ...{ ...place.input, url: proxy.url, allowDataLoss: true },
      on: (event) => event.type === "warning" && warnings.push(event.message),
    }),
  );
  // The whole transaction is with the server, which does not hear of the loss before it has committed.
  await until("the saved folder", async () => (await leftIn(place)).some((name) => !name.startsWith(".")));
  await untilRuns(place.sql, "the second time");
  proxy.stall();
  await until("the commit", async () => (await readLedgerRows(place.sql))?.length === 0);
  proxy.cut();
  proxy.heal();
  const error = await run;
  expect(error).toMatchObject({
    code: "connection-lost",
    state: expect.stringContaining("rolled back before that"),
  });
  const [name = ""] = await leftIn(place);
  expect(warnings).toEqual([
    expect.stringContaining(`the rows of 0000_big are saved in ${join(place.backups, name)}`),
  ]);
  await migrate(place.input);
  await putBack(place, join(place.backups, name));
  expect(await place.sql`select id from big`).toEqual([{ id: 1 }]);
});

test("a disk that is full while it saves: nothing is dropped, nothing is left, and it is said", async () => {
  const place = await bigPlace(150_000);
  const before = await sumOf(place);
  const disk = await makeSmallDisk();
  const run = await startCli([...rollbackArgs({ ...place, backups: disk.folder }), "--json"]);
  await disk.limit(run);
  const result = await run.done;
  expect(result.exitCode).toBe(1);
  expect(errorOf(result)).toMatchObject({
    code: "backup-failed",
    message: `the rows that would be lost cannot be saved in ${disk.folder}`,
    details: [expect.stringContaining(disk.words)],
    state: "nothing was rolled back; 0000_big was left applied, whole",
    fix: expect.stringContaining("--backup-folder"),
  });
  expect(await sumOf(place)).toEqual(before);
  expect(await leftIn({ backups: disk.folder })).toEqual([]);
  await expectNoRunner(place.sql);
  expect(await loseRows(place)).toMatchObject({ backups: [{ rows: 150_000 }] });
});
