import { createTestDatabase, createTestRole } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { migrate } from "../src/index.ts";
import { errorOf, runCli, startCli } from "./support/cli.ts";
import { quoted, readLedgerRows } from "./support/database.ts";
import { makeFolder, THREE } from "./support/folder.ts";
import { openOther } from "./support/sessions.ts";

const LEDGER = "drizzle.__drizzle_migrations";

/** A database on which `repair` or `baseline` has something to write. */
async function prepared(verb: "repair" | "baseline") {
  const database = await createTestDatabase();
  const folder = await makeFolder(THREE);
  await migrate({ migrations: folder, url: database.url });
  const damage =
    verb === "repair" ? `update ${LEDGER} set created_at = 5 where id = 2` : `truncate ${LEDGER}`;
  await database.sql.unsafe(damage);
  const args = [verb, ...(verb === "repair" ? ["--write"] : []), "--migrations", folder];
  return { database, args };
}

describe.each(["repair", "baseline"] as const)("%s on a ledger that another session has locked", (verb) => {
  test("tries again, names who is in the way, and ends with state and fix", async () => {
    const { database, args } = await prepared(verb);
    const other = await openOther(database.url, "long-report");
    await other.run(`begin; lock table ${LEDGER} in share mode`);
    const before = await readLedgerRows(database.sql);
    const limits = ["--lock-timeout", "1s", "--retries", "1"];
    const result = await runCli([...args, "--url", database.url, ...limits]);
    expect(result.exitCode).toBe(1);
    const blocker = `in the way: pid ${other.pid} (long-report, user `;
    expect(result.stderr).toContain("trying again (attempt 2)");
    expect(result.stderr).toContain(`error statement-failed: the ledger ${LEDGER} could not be changed`);
    expect(result.stderr).toContain(`tried 2 times; ${blocker}`);
    expect(result.stderr).toContain("state: nothing was changed");
    expect(result.stderr).toContain("fix: wait for what is in the way or end it");
    expect(await readLedgerRows(database.sql)).toEqual(before);
  });

  test("writes once the other session is done", async () => {
    const { database, args } = await prepared(verb);
    const other = await openOther(database.url, "short-report");
    await other.run(`begin; lock table ${LEDGER} in share mode`);
    const running = await startCli([...args, "--url", database.url, "--lock-timeout", "300ms"]);
    await running.untilItSays("trying again");
    await other.run("commit");
    expect(await running.done).toMatchObject({ exitCode: 0 });
    const rows = await readLedgerRows(database.sql);
    expect(rows?.map(({ created_at }) => created_at)).not.toContain("5");
    expect(rows).toHaveLength(3);
  });
});

test.each([
  ["a row to realign", `update ${LEDGER} set created_at = 5 where id = 2`, "SELECT, INSERT, DELETE"],
  [
    "a row to remove",
    `insert into ${LEDGER} (hash, created_at) select hash, created_at from ${LEDGER} where id = 1`,
    "SELECT, INSERT, UPDATE",
  ],
])(
  "repair without the privilege for %s is refused with the GRANT that is missing",
  async (_, damage, granted) => {
    const [database, role] = await Promise.all([createTestDatabase(), createTestRole()]);
    const folder = await makeFolder(THREE);
    await migrate({ migrations: folder, url: database.url });
    const rows = await readLedgerRows(database.sql);
    await database.sql.unsafe(`${damage}; grant usage on schema drizzle to ${quoted(role.name)};
    grant ${granted} on ${LEDGER} to ${quoted(role.name)}`);
    const args = ["repair", "--write", "--json", "--migrations", folder, "--url", role.urlOf(database)];
    const refused = await runCli(args);
    expect(refused.exitCode).toBe(2);
    const error = errorOf(refused);
    expect(error).toMatchObject({ code: "permission-denied", state: "nothing was changed" });
    await database.sql.unsafe(error.fix?.replace("as its owner: ", "") ?? "");
    expect(await runCli(args)).toMatchObject({ exitCode: 0 });
    expect(await readLedgerRows(database.sql)).toEqual(rows);
  },
);
