import { createTestDatabase, createTestRole } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { lockKey } from "../src/database/lock.ts";
import { type Event, migrate } from "../src/index.ts";
import { failureOf, quoted } from "./support/database.ts";
import { makeFolder, THREE } from "./support/folder.ts";
import { openOther } from "./support/sessions.ts";

describe("the migration lock", () => {
  const UNLOCKS = { tag: "0000_unlocks", sql: "SELECT pg_advisory_unlock_all();" };

  test("a migration that gives it up is undone and named, without words about a pooler", async () => {
    const database = await createTestDatabase();
    const heard: Event[] = [];
    const migrations = await makeFolder([UNLOCKS, { tag: "0001_next", sql: "SELECT 1;" }]);
    const run = migrate({ migrations, url: database.url, on: (event) => heard.push(event) });
    const error = await failureOf(run);
    expect(heard.map(({ type }) => type)).toEqual(["problems", "planned", "notice"]);
    expect(error).toMatchObject({
      code: "lock-lost",
      message: expect.stringMatching(/^0000_unlocks\.sql gives up the migration lock/),
      details: [],
      state: "nothing was applied; 0000_unlocks was undone whole and is still pending",
      fix: expect.stringContaining("pg_advisory_unlock_all()"),
    });
  });

  test("its holder is shown with the time in UTC, whatever the time zone of who asks", async () => {
    const database = await createTestDatabase();
    await database.sql.unsafe(`alter database ${quoted(database.name)} set timezone to 'Asia/Tokyo'`);
    const other = await openOther(database.url, "deploy");
    const { classId, objectId } = lockKey({ schema: "drizzle", table: "__drizzle_migrations" });
    await other.run(`select pg_advisory_lock(${classId}, ${objectId})`);
    const input = { migrations: await makeFolder(THREE), url: database.url, limits: { lockWait: "0" } };
    const { message } = await failureOf(migrate(input));
    const since = /\(deploy, .*, connected since (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC\)/.exec(message);
    expect(Math.abs(Date.parse(`${since?.[1]}T${since?.[2]}Z`) - Date.now())).toBeLessThan(60_000);
  });

  test("its holder is named also to a role that may not see where it comes from", async () => {
    const [database, role] = await Promise.all([createTestDatabase(), createTestRole()]);
    await database.sql.unsafe(`grant create on database ${quoted(database.name)} to ${quoted(role.name)}`);
    const other = await openOther(database.url, "deploy");
    const { classId, objectId } = lockKey({ schema: "drizzle", table: "__drizzle_migrations" });
    await other.run(`select pg_advisory_lock(${classId}, ${objectId})`);
    const input = {
      migrations: await makeFolder(THREE),
      url: role.urlOf(database),
      limits: { lockWait: "0" },
    };
    const { message } = await failureOf(migrate(input));
    const user = decodeURIComponent(new URL(database.url).username);
    expect(message).toContain(
      `: pid ${other.pid} (deploy, user ${user}, address and start not shown to this role)`,
    );
  });
});
