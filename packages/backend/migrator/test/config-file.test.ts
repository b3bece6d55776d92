import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSettings } from "../src/config.ts";
import { failureOf } from "./support/database.ts";
import { temporaryFolder } from "./support/temporary.ts";

/** Settings of a config file with this in it, and nothing else said. */
async function settingsOf(config: object) {
  const file = join(await temporaryFolder(), "migrator.config.mjs");
  await writeFile(file, `export default ${JSON.stringify(config)};`);
  return readSettings({ config: file, url: "postgres://u@127.0.0.1:1/d" });
}

test("each limit can stand in the config file", async () => {
  const { limits } = await settingsOf({
    migrations: ".",
    lockWait: "1s",
    lockTimeout: "2s",
    concurrentLockTimeout: "3s",
    statementTimeout: "4s",
    retries: 5,
    retryFor: "6s",
  });
  expect(limits).toEqual({
    lockWaitMs: 1000,
    lockTimeoutMs: 2000,
    concurrentLockTimeoutMs: 3000,
    statementTimeoutMs: 4000,
    retries: 5,
    retryForMs: 6000,
  });
});

test("the ledger's name and the severities can stand there, and what is not said stays as usual", async () => {
  expect(
    await settingsOf({ migrations: ".", ledger: { table: "t" }, severities: { edited: "off" } }),
  ).toMatchObject({
    ledger: { schema: "drizzle", table: "t" },
    severities: { edited: "off" },
    strict: false,
  });
});

test.each([
  ["a key that there is not", { lockTimout: "1s" }, 'Unrecognized key: "lockTimout"'],
  ["a value of another type", { retries: "5" }, "expected number, received string"],
])("%s is refused in words", async (_, config, words) => {
  const error = await failureOf(settingsOf({ migrations: ".", ...config }));
  expect(error).toMatchObject({ code: "config-broken" });
  expect(error.details.join()).toContain(words);
});
