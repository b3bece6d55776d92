import { createTestDatabase, createTestRole } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { baseline } from "../src/apply/baseline.ts";
import { repair } from "../src/apply/repair.ts";
import { readSettings } from "../src/config.ts";
import { migrate } from "../src/index.ts";
import { failureOf, quoted, readEverything, readLedgerRows } from "./support/database.ts";
import { makeFolder, THREE } from "./support/folder.ts";

const READ_ONLY = { settings: { default_transaction_read_only: "on" } };

/** Whether the schema is the migrations' is asked elsewhere. */
const UNSEEN = { assertMade: async () => {} };

describe("baseline", () => {
  test.each([
    ["a table", "create table a ()"],
    ["a partitioned table", "create table a (n int) partition by range (n)"],
    ["a view", "create view a as select 1 as n"],
    ["a materialized view", "create materialized view a as select 1 as n"],
    ["a table in a schema of its own", "create schema s; create table s.a ()"],
  ])("takes a database that has but %s", async (_, sql) => {
    const database = await createTestDatabase();
    await database.sql.unsafe(sql);
    const input = { migrations: await makeFolder(THREE), url: database.url };
    expect((await baseline(await readSettings(input), UNSEEN)).recorded).toHaveLength(3);
  });

  test.each([
    ["a sequence", "create sequence a"],
    ["a type", "create type a as (n int)"],
    [
      "an empty ledger",
      "create schema drizzle; create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)",
    ],
  ])("takes a database that has but %s for empty", async (_, sql) => {
    const database = await createTestDatabase();
    await database.sql.unsafe(sql);
    const before = await readEverything(database.sql);
    const settings = await readSettings({ migrations: await makeFolder(THREE), url: database.url });
    expect(await failureOf(baseline(settings, UNSEEN))).toMatchObject({ code: "database-empty" });
    expect(await readEverything(database.sql)).toEqual(before);
  });

  test.each([
    ["whose session is read-only", READ_ONLY, "read-only", "ALTER ROLE"],
    ["that may not make the ledger", {}, "permission-denied", "GRANT CREATE ON DATABASE"],
  ])("says how to help a role %s", async (_, options, code, fix) => {
    const [database, role] = await Promise.all([createTestDatabase(), createTestRole(options)]);
    await database.sql.unsafe("create table a ()");
    const settings = await readSettings({ migrations: await makeFolder(THREE), url: role.urlOf(database) });
    const error = await failureOf(baseline(settings, UNSEEN));
    expect(error).toMatchObject({ code, fix: expect.stringContaining(fix) });
    expect(await readLedgerRows(database.sql)).toBeUndefined();
  });
});

describe("repair", () => {
  test.each([
    ["whose session is read-only", READ_ONLY, "read-only", "ALTER ROLE"],
    ["that may not write the ledger", {}, "permission-denied", "GRANT"],
  ])(
    "shows a role %s what it would change, and says how to help it with --write",
    async (_, options, code, fix) => {
      const [database, role] = await Promise.all([createTestDatabase(), createTestRole(options)]);
      const migrations = await makeFolder(THREE);
      await migrate({ migrations, url: database.url });
      await database.sql.unsafe(`update drizzle.__drizzle_migrations set created_at = 5 where id = 2;
      grant usage on schema drizzle to ${quoted(role.name)};
      grant select on all tables in schema drizzle to ${quoted(role.name)}`);
      const before = await readEverything(database.sql);
      const settings = await readSettings({ migrations, url: role.urlOf(database) });
      expect(await repair(settings)).toMatchObject({ written: false, repairs: [{ kind: "realign" }] });
      const error = await failureOf(repair(settings, { write: true }));
      expect(error).toMatchObject({ code, fix: expect.stringContaining(fix) });
      expect(await readEverything(database.sql)).toEqual(before);
    },
  );
});
