import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestDatabase } from "@repo/test-database";
import { expect, test } from "vitest";
import { migrate, rollback, status } from "../src/index.ts";
import { runCli } from "./support/cli.ts";
import { makeFolder, THREE, writeMigrations } from "./support/folder.ts";

/** What status tells of each migration's time: whether it has one, and the duration. */
async function timesOf(input: { readonly migrations: string; readonly url: string }) {
  const { migrations } = await status(input);
  return migrations.map(({ appliedAt, durationMs }) => ({ appliedAt, durationMs }));
}

const NONE = { appliedAt: null, durationMs: null };

test("an accepted file keeps the time at which it was applied", async () => {
  const database = await createTestDatabase();
  const input = { migrations: await makeFolder(THREE), url: database.url };
  await migrate(input);
  const before = await timesOf(input);
  await writeFile(join(input.migrations, "0001_author_born.sql"), `${THREE[1].sql} -- more words`);
  const target = ["--migrations", input.migrations, "--url", input.url];
  const accepted = await runCli(["repair", "--accept", "0001_author_born", "--write", ...target]);
  expect(accepted.exitCode).toBe(0);
  expect(await timesOf(input)).toEqual(before);
  await rollback({ ...input, steps: 2 });
  expect(await timesOf(input)).toEqual([before[0], NONE, NONE]);
});

test("of two files with the same text each has its own time, and undoing one leaves the other's", async () => {
  const database = await createTestDatabase();
  const twin = { sql: "SELECT pg_sleep(0.02);", down: "SELECT 1;" };
  const files = [
    { tag: "0000_one", ...twin },
    { tag: "0001_two", ...twin },
  ];
  const input = { migrations: await makeFolder(files), url: database.url };
  await migrate({ ...input, to: "0000_one" });
  const [first] = await timesOf(input);
  await migrate(input);
  const [one, two] = await timesOf(input);
  expect(one).toEqual(first);
  expect(Date.parse(two?.appliedAt ?? "")).toBeGreaterThan(Date.parse(one?.appliedAt ?? ""));
  await rollback(input);
  expect(await timesOf(input)).toEqual([first, NONE]);
});

test("a renamed file keeps its time", async () => {
  const database = await createTestDatabase();
  const input = { migrations: await makeFolder(THREE), url: database.url };
  await migrate(input);
  const before = await timesOf(input);
  const [one, two, three] = THREE;
  await rename(join(input.migrations, `${two.tag}.sql`), join(input.migrations, "0001_renamed.sql"));
  await writeMigrations(input.migrations, [one, { tag: "0001_renamed", sql: two.sql }, three]);
  expect(await timesOf(input)).toEqual(before);
});
