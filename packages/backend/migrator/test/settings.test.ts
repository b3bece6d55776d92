import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestDatabase } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { migrate, plan, rollback, status } from "../src/index.ts";
import { errorOf, runCli } from "./support/cli.ts";
import { failureOf, quoted, readLedgerRows } from "./support/database.ts";
import { makeFolder, THREE } from "./support/folder.ts";
import { openOther } from "./support/sessions.ts";
import { temporaryFolder } from "./support/temporary.ts";

/** Settings are read before a connection is tried: this one would fail otherwise. */
const NOWHERE = "postgres://nowhere.invalid/moc";

describe("the ledger's name", () => {
  const REFUSED = { code: "setting-invalid", state: "nothing was done", exitCode: 2 };
  const KEPT = `ledger_${"ö".repeat(28)}`;

  test.each<[string, object, string, string]>([
    ["is empty", { schema: "" }, 'ledger.schema: "" is not a name', "the name that the database has"],
    ["is no text", { table: 7 }, "ledger.table: 7 is not a name", "the name that the database has"],
    [
      "is longer than PostgreSQL keeps",
      { table: `${KEPT}ö` },
      "longer than the 63 bytes",
      `keeps: "${KEPT}"`,
    ],
    ["has a mistyped key", { name: "x" }, "ledger.name: there is no such setting", "one of: schema, table"],
  ])("is refused by the library where it %s", async (_, ledger, message, fix) => {
    const error = await failureOf(status({ migrations: "x", url: NOWHERE, ledger }));
    expect(error).toMatchObject({ ...REFUSED, message: expect.stringContaining(message) });
    expect(error.fix).toContain(fix);
  });

  test.each(["--ledger-schema", "--ledger-table"])("is refused under its flag, %s", async (flag) => {
    const result = await runCli(["status", "--json", "--migrations", "x", "--url", NOWHERE, `${flag}=`]);
    expect(result.exitCode).toBe(2);
    expect(errorOf(result)).toMatchObject({ code: "setting-invalid", message: `${flag}: "" is not a name` });
  });

  test.each([58, 59, 63])("may have %i bytes, and history is kept", async (bytes) => {
    const database = await createTestDatabase();
    const table = "l".repeat(bytes);
    const input = { migrations: await makeFolder(THREE), url: database.url, ledger: { table } };
    await migrate({ ...input, to: "0000_author" });
    await migrate(input);
    expect(await readLedgerRows(database.sql, `drizzle.${quoted(table)}`)).toHaveLength(3);
    const { migrations } = await status(input);
    expect(migrations.map(({ appliedAt }) => typeof appliedAt)).toEqual(Array(3).fill("string"));
  });
});

describe("settings that are wrong", () => {
  test("in a limit of a library call are named as the caller wrote them", async () => {
    const input = { migrations: "x", url: NOWHERE };
    const wrong = await failureOf(status({ ...input, limits: { lockWait: "5" } }));
    expect(wrong.message).toBe('limits.lockWait: "5" is not a duration');
    const mistyped: object = { lockwait: "5s" };
    const unheard = await failureOf(status({ ...input, limits: mistyped }));
    expect(unheard.message).toBe("limits.lockwait: there is no such setting");
  });

  test.each<[string, (input: { migrations: string }) => Promise<unknown>, string, string]>([
    ["status", status, "databaseUrl", "runs, on, signal"],
    ["plan", plan, "runs", "to, allowOutOfOrder, on, signal"],
    ["migrate", migrate, "steps", "to, allowOutOfOrder, on, signal"],
    ["rollback", rollback, "allowDataloss", "steps, to, confirm, allowDataLoss, noBackup, on, signal"],
  ])("in a library call are refused, instead of ignored: those of %s", async (_, verb, key, own) => {
    const input = { migrations: "x", url: NOWHERE, [key]: 1 };
    const error = await failureOf(verb(input));
    expect(error).toMatchObject({ code: "setting-invalid", message: `${key}: there is no such setting` });
    expect(error.fix).toMatch(/^use one of: config, migrations, url, /);
    expect(error.fix?.endsWith(`, ${own}`)).toBe(true);
  });

  test.each([
    ['{ migrations: "x", lockWait: "5" }', "lockWait in FILE"],
    ['{ migrations: "x", ledger: { schema: "" } }', "ledger.schema in FILE"],
    ["{}", "none was named, and FILE names none"],
  ])("in a config file are told with that file's name: %s", async (config, words) => {
    const file = join(await temporaryFolder(), "other.config.mjs");
    await writeFile(file, `export default ${config}`);
    const result = await runCli(["status", "--json", "--config", file, "--url", NOWHERE]);
    expect(result.exitCode).toBe(2);
    expect(errorOf(result).message).toContain(words.replace("FILE", file));
  });
});

test("with --retry-for 0 a migration is tried once", async () => {
  const database = await createTestDatabase();
  await database.sql`create table busy (id int)`;
  const other = await openOther(database.url, "busy-service");
  await other.run("begin; lock table busy");
  const migrations = await makeFolder([{ tag: "0000_busy", sql: "ALTER TABLE busy ADD COLUMN n int;" }]);
  const heard: string[] = [];
  const limits = { lockTimeout: "1s", retryFor: "0" };
  const error = await failureOf(
    migrate({ migrations, url: database.url, limits, on: ({ type }) => heard.push(type) }),
  );
  expect(heard).not.toContain("retrying");
  expect(error.details).toContainEqual(expect.stringContaining("tried 1 time; in the way: pid"));
});

test.each([
  ["reset", ["--migrations", "--ledger-schema", "--ledger-table"]],
  ["repair", ["--concurrent-lock-timeout"]],
  ["baseline", ["--concurrent-lock-timeout"]],
])("%s offers no flag that means nothing to it", async (verb, flags) => {
  const { stdout } = await runCli([verb, "--help"]);
  expect(stdout).toContain("--url");
  for (const flag of flags) expect(stdout).not.toContain(flag);
});
