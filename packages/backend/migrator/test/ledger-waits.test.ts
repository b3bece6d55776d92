import { createTestDatabase, createTestRole } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { type Event, migrate, plan, rollback, status } from "../src/index.ts";
import { errorOf, runCli } from "./support/cli.ts";
import { failureOf, quoted } from "./support/database.ts";
import { makeFolder, THREE } from "./support/folder.ts";
import { openOther } from "./support/sessions.ts";

const LEDGER = "drizzle.__drizzle_migrations";
const RUNS = `${LEDGER}_runs`;

/** A database with one of three migrations applied, and a table of the runner's that another session has locked. */
async function locked(table: string, mode: string) {
  const database = await createTestDatabase();
  const input = { migrations: await makeFolder(THREE), url: database.url, limits: { lockTimeout: "2s" } };
  await migrate({ ...input, to: "0000_author" });
  const other = await openOther(database.url, "long-report");
  await other.run(`begin; lock table ${table} in ${mode} mode`);
  return { database, input, other };
}

describe("a locked table of the runner's", () => {
  test.each<[string, typeof status, string]>([
    ["status", status, LEDGER],
    ["status", status, RUNS],
    ["plan", plan as unknown as typeof status, LEDGER],
    ["migrate", migrate as unknown as typeof status, LEDGER],
    ["migrate", migrate as unknown as typeof status, RUNS],
    ["rollback", rollback as unknown as typeof status, LEDGER],
  ])("%s waits as long as it may, and names who is in the way (%#)", async (_, verb, table) => {
    const { input, other } = await locked(table, "access exclusive");
    const heard: Event[] = [];
    const error = await failureOf(verb({ ...input, on: (event) => heard.push(event) }));
    expect(error).toMatchObject({ code: "ledger-locked", state: "nothing was changed", exitCode: 1 });
    expect(error.message).toContain(`${table} could not be read within 2000 ms`);
    expect(error.fix).toContain("--lock-timeout");
    const blocker = `pid ${other.pid} (long-report, user `;
    expect(error.details).toContainEqual(expect.stringContaining(`in the way: ${blocker}`));
    expect(heard).toContainEqual(
      expect.objectContaining({ type: "sighting", blockers: expect.stringContaining(blocker) }),
    );
  });

  test("whoever is in the way is named also to a role that may not see what it does", async () => {
    const role = await createTestRole();
    const { database, input, other } = await locked(LEDGER, "access exclusive");
    await database.sql.unsafe(`grant usage on schema drizzle to ${quoted(role.name)}`);
    const { details } = await failureOf(status({ ...input, url: role.urlOf(database) }));
    const user = decodeURIComponent(new URL(database.url).username);
    expect(details).toContainEqual(
      `in the way: pid ${other.pid} (long-report, user ${user}, what it does is not shown to this role)`,
    );
  });

  test("one that is let go in time is read", async () => {
    const { input, other } = await locked(LEDGER, "access exclusive");
    const reading = status({ ...input, limits: { lockTimeout: "20s" } });
    await other.run("select pg_sleep(0.6); commit");
    expect((await reading).migrations.map(({ state }) => state)).toEqual(["applied", "pending", "pending"]);
  });

  test("a failure that cannot be noted in the run log is told all the same", async () => {
    const { database } = await locked(RUNS, "share");
    const [one] = THREE;
    const migrations = await makeFolder([one, { tag: "0001_bad", sql: "SELECT 1 / 0;" }]);
    const error = await failureOf(migrate({ migrations, url: database.url }));
    expect(error).toMatchObject({
      code: "statement-failed",
      state: expect.stringContaining("0001_bad was undone"),
    });
  });
});

describe("a ledger that cannot be read", () => {
  test.each(["id", "hash", "created_at"])("for want of a column %s is told with the fix", async (column) => {
    const database = await createTestDatabase();
    const folder = await makeFolder(THREE);
    await migrate({ migrations: folder, url: database.url });
    await database.sql.unsafe(`alter table ${LEDGER} drop column ${column}`);
    const result = await runCli(["status", "--json", "--migrations", folder, "--url", database.url]);
    expect(result.exitCode).toBe(2);
    expect(errorOf(result)).toMatchObject({
      code: "not-a-ledger",
      message: expect.stringContaining(`the table ${LEDGER} is not a ledger of Drizzle`),
      state: "nothing was changed",
      fix: expect.stringContaining("--ledger-table"),
    });
  });

  test("for another reason is told in PostgreSQL's words", async () => {
    const database = await createTestDatabase();
    await database.sql.unsafe(`create schema drizzle; create view ${LEDGER} as
      select 1 / (select 0) as id, 'x' as hash, 1::bigint as created_at`);
    const error = await failureOf(status({ migrations: await makeFolder(THREE), url: database.url }));
    expect(error).toMatchObject({ code: "ledger-unreadable", state: "nothing was changed", exitCode: 1 });
    expect(error.details).toContainEqual("division by zero (22012)");
  });

  test("because a statement's time is up says how to give it more", async () => {
    const { input } = await locked(LEDGER, "access exclusive");
    const limits = { lockTimeout: "0", statementTimeout: "200ms" };
    const error = await failureOf(status({ ...input, limits }));
    expect(error).toMatchObject({ code: "read-cancelled", state: "nothing was changed", exitCode: 1 });
    expect(error.fix).toContain("--statement-timeout");
  });

  test("a short statement_timeout of the role does not end the wait for it", async () => {
    const role = await createTestRole({ settings: { statement_timeout: "100ms" } });
    const { database, input } = await locked(LEDGER, "access exclusive");
    // The limits of the run rank before those of the role: the wait for the lock lasts longer than 100 ms.
    await database.sql.unsafe(`grant usage on schema drizzle to ${quoted(role.name)}`);
    const error = await failureOf(status({ ...input, url: role.urlOf(database) }));
    expect(error.code).toBe("ledger-locked");
  });
});
