import { createTestDatabase, type TestDatabase } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { readSettings, type SettingsInput } from "../src/config.ts";
import { type Database, withUrl } from "../src/database/connect.ts";
import { lockKey } from "../src/database/lock.ts";
import { migrate } from "../src/index.ts";
import { readSchema } from "../src/verify/read-schema.ts";
import { runCli } from "./support/cli.ts";
import { failureOf } from "./support/database.ts";
import { makeFolder, THREE } from "./support/folder.ts";
import { openOther } from "./support/sessions.ts";

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

describe("a schema of which another session has locked a part", () => {
  /** A migrated database with a view, whose text PostgreSQL cannot give while its table is locked. */
  async function locked() {
    const { url } = await createTestDatabase();
    const view = { tag: "0003_view", sql: "CREATE VIEW names AS SELECT name FROM author;" };
    const folder = await makeFolder([...THREE, view]);
    await migrate({ migrations: folder, url });
    const other = await openOther(url, "a person at psql");
    await other.run("begin; lock table author in access exclusive mode");
    return { other, args: ["check", "--migrations", folder, "--url", url] };
  }

  test("cannot be checked after --lock-timeout, exit 2, and it is said who holds the lock", async () => {
    const { other, args } = await locked();
    const { exitCode, stderr } = await runCli([...args, "--lock-timeout", "300ms", "--lock-wait", "10s"]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("could not be read within 300 ms: another session has locked a part of it");
    expect(stderr).toMatch(
      new RegExp(
        `in the way: pid ${other.pid} \\(a person at psql, .*: begin; lock table author .*\\) with author\n`,
      ),
    );
  });

  test("is read again while another runner is at work, for as long as --lock-wait says", async () => {
    const { other, args } = await locked();
    const { classId, objectId } = lockKey({ schema: "drizzle", table: "__drizzle_migrations" });
    await other.run(`select pg_advisory_lock(${classId}, ${objectId})`);
    const cli = runCli([...args, "--lock-timeout", "100ms", "--lock-wait", "30s"]);
    setTimeout(async () => other.run("rollback; select pg_advisory_unlock_all()"), 2500);
    expect(await cli).toMatchObject({ exitCode: 0 });
  });
});
