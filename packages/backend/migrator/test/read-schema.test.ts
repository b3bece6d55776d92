import { createTestDatabase, type TestDatabase } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { readSettings, type SettingsInput } from "../src/config.ts";
import { type Database, withUrl } from "../src/database/connect.ts";
import { readSchema } from "../src/verify/read-schema.ts";
import { failureOf } from "./support/database.ts";
import { makeFolder } from "./support/folder.ts";

const TWO_TABLES = "create table t (n int check (n > 0)); create table u ()";

/** Reads a database in which something happens each time that the reading has begun: all sees one moment, from before. */
async function readMeanwhile(
  { url }: TestDatabase,
  happens: () => Promise<unknown>,
  input: SettingsInput = {},
) {
  const settings = await readSettings({ migrations: await makeFolder([]), url, ...input });
  return withUrl(url, (database) => readSchema(disturbed(database, happens), settings));
}

function disturbed(database: Database, happens: () => Promise<unknown>): Database {
  const openSide = () => {
    const session = database.openSide();
    const unsafe: typeof session.unsafe = async (text) => {
      if (text.includes("pg_get_constraintdef")) await happens();
      return session.unsafe(text);
    };
    return { ...session, unsafe };
  };
  return { ...database, openSide };
}

describe("a schema that is read while it changes", () => {
  test("is read again where a table was dropped that the server was to put into words", async () => {
    const database = await createTestDatabase();
    await database.sql.unsafe(TWO_TABLES);
    const { objects } = await readMeanwhile(database, () => database.sql`drop table if exists t`);
    expect(objects.filter(({ id }) => id.kind === "table").map(({ id }) => id.name)).toEqual(["u"]);
  });

  test("cannot be checked where that goes on for longer than --lock-wait says", async () => {
    const database = await createTestDatabase();
    await database.sql.unsafe(TWO_TABLES);
    const anew = () => database.sql.unsafe("drop table t; create table t (n int check (n > 0))");
    const error = await failureOf(readMeanwhile(database, anew, { limits: { lockWait: "400ms" } }));
    expect(error).toMatchObject({ code: "cannot-check", exitCode: 2, state: "nothing was changed" });
    expect(error.details.join()).toMatch(/cache lookup failed|could not open/);
  });
});
