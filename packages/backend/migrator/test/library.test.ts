import { createTestDatabase } from "@repo/test-database";
import { expect, test } from "vitest";
import { type Event, migrate, plan, rollback, status } from "../src/index.ts";
import { failureOf, readEverything } from "./support/database.ts";
import { makeFolder, THREE } from "./support/folder.ts";

test("a service can refuse to start while migrations are pending, and nothing is written by asking", async () => {
  const database = await createTestDatabase();
  const input = { migrations: await makeFolder(THREE), url: database.url };
  const before = await readEverything(database.sql);
  const { migrations } = await status(input);
  expect(migrations.map(({ state }) => state)).toEqual(["pending", "pending", "pending"]);
  const planned = await plan(input);
  expect(planned.pending.map(({ tag, statements }) => [tag, statements.length])).toEqual([
    ["0000_author", 1],
    ["0001_author_born", 1],
    ["0002_book", 2],
  ]);
  expect(await readEverything(database.sql)).toEqual(before);

  await migrate(input);
  expect((await plan(input)).pending).toEqual([]);
  expect((await status(input)).migrations.every(({ state }) => state === "applied")).toBe(true);
});

test("what plan tells is what migrate then does", async () => {
  const database = await createTestDatabase();
  const input = { migrations: await makeFolder(THREE), url: database.url };
  await migrate({ ...input, to: "0000_author" });
  const { pending } = await plan(input);
  const { applied } = await migrate(input);
  expect(applied.map(({ tag }) => tag)).toEqual(pending.map(({ tag }) => tag));
});

test("a listener hears each migration, up and down", async () => {
  const database = await createTestDatabase();
  const input = { migrations: await makeFolder(THREE), url: database.url };
  const heard: string[] = [];
  const on = (event: Event) => {
    if (event.type === "ran") heard.push(`${event.direction} ${event.tag}`);
  };
  await migrate({ ...input, on });
  await rollback({ ...input, on });
  expect(heard).toEqual(["up 0000_author", "up 0001_author_born", "up 0002_book", "down 0002_book"]);
});

test("plan and status tell of a run that was cut", async () => {
  const database = await createTestDatabase();
  const [one, , three] = THREE;
  const cut = { tag: "0001_cut", sql: "CREATE TABLE cut (n int); COMMIT; SELECT 1 / 0;" };
  const input = { migrations: await makeFolder([one, cut, three]), url: database.url };
  await failureOf(migrate(input));
  for (const ask of [plan, status]) {
    expect((await ask(input)).problems).toMatchObject([{ code: "partly-applied", tag: "0001_cut" }]);
  }
});
