import { createTestDatabase } from "@repo/test-database";
import { expect, test } from "vitest";
import { migrate } from "../src/index.ts";
import { failureOf, readTables } from "./support/database.ts";
import { makeFolder, THREE } from "./support/folder.ts";

/** From now on, writing the ledger takes as long as on a very busy server. */
const SLOW_LEDGER = `CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(2); RETURN NEW; END $$;
  CREATE TRIGGER wait BEFORE INSERT ON drizzle.__drizzle_migrations FOR EACH ROW EXECUTE FUNCTION wait();`;

test.each([
  ["its statements", { tag: "0001_b", sql: "SET LOCAL statement_timeout = '50ms';" }, {}],
  ["its flag", { tag: "0001_b", sql: "SELECT 1;" }, { statementTimeout: "1s" }],
  ["a file in segments", { tag: "0001_b", sql: "COMMIT; SET LOCAL statement_timeout = '50ms';" }, {}],
])("a short statement_timeout of %s does not count for the ledger", async (_, file, limits) => {
  const database = await createTestDatabase();
  const input = {
    migrations: await makeFolder([{ tag: "0000_a", sql: SLOW_LEDGER }, file]),
    url: database.url,
  };
  await migrate({ ...input, to: "0000_a" });
  expect((await migrate({ ...input, limits })).applied).toMatchObject([{ tag: "0001_b" }]);
});

test("a statement that takes longer than --statement-timeout is undone", async () => {
  const database = await createTestDatabase();
  const slow = { tag: "0001_slow", sql: "CREATE TABLE slow (); SELECT pg_sleep(5);" };
  const input = { migrations: await makeFolder([THREE[0], slow]), url: database.url };
  const error = await failureOf(migrate({ ...input, limits: { statementTimeout: "1s" } }));
  expect(error.details[0]).toContain("statement timeout");
  expect(await readTables(database.sql)).toEqual(["author"]);
});
