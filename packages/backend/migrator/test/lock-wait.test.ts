import { createTestDatabase } from "@repo/test-database";
import { expect, test } from "vitest";
import { repair } from "../src/apply/repair.ts";
import { readSettings } from "../src/config.ts";
import { lockKey } from "../src/database/lock.ts";
import { type Event, migrate } from "../src/index.ts";
import { failureOf, readTables } from "./support/database.ts";
import { makeFolder, THREE } from "./support/folder.ts";
import { closedPort } from "./support/server.ts";
import { openOther, readRunners, until } from "./support/sessions.ts";

test("a runner whose connection breaks while it waits for the lock waits no longer", async () => {
  const database = await createTestDatabase();
  const { classId, objectId } = lockKey({ schema: "drizzle", table: "__drizzle_migrations" });
  const other = await openOther(database.url, "holder");
  await other.run(`select pg_advisory_lock(${classId}, ${objectId})`);
  const events: Event[] = [];
  const on = (event: Event) => events.push(event);
  const run = failureOf(migrate({ migrations: await makeFolder(THREE), url: database.url, on }));
  await until("a runner that waits", async () => events.some(({ type }) => type === "waiting"));
  for (const { pid } of await readRunners(database.sql))
    await other.run(`select pg_terminate_backend(${pid})`);
  expect(await run).toMatchObject({ code: "connection-lost", state: "nothing was changed" });
  expect(await readTables(database.sql)).toEqual([]);
});

test("who asks for the lock first of all does not wait for a server that is not there", async () => {
  const url = `postgres://nobody@127.0.0.1:${await closedPort()}/none`;
  const settings = await readSettings({ migrations: await makeFolder(THREE), url });
  expect(await failureOf(repair(settings, { write: true }))).toMatchObject({ code: "server-unreachable" });
});

test("repair that only shows needs no lock; with --write it waits for it", async () => {
  const database = await createTestDatabase();
  const migrations = await makeFolder(THREE);
  await migrate({ migrations, url: database.url });
  await database.sql`update drizzle.__drizzle_migrations set created_at = 5 where id = 2`;
  const { classId, objectId } = lockKey({ schema: "drizzle", table: "__drizzle_migrations" });
  const other = await openOther(database.url, "holder");
  await other.run(`select pg_advisory_lock(${classId}, ${objectId})`);
  const settings = await readSettings({ migrations, url: database.url, limits: { lockWait: "0" } });
  expect(await repair(settings)).toMatchObject({ repairs: [{ kind: "realign" }], written: false });
  expect(await failureOf(repair(settings, { write: true }))).toMatchObject({ code: "lock-timeout" });
});
