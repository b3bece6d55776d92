import { describe, expect, test } from "vitest";
import { MigratorError } from "../src/errors.ts";
import { LIMITS, type LimitsInput, readLimits } from "../src/limits.ts";

/** An environment of these variables alone. */
function environment(values: Readonly<Record<string, string>>) {
  return { get: (name: string) => values[name], sourceOf: () => "a test", values };
}

const NOTHING = environment({});

const FILE = "other.config.mjs";

describe("limits", () => {
  test("have the defaults that --help shows", () => {
    expect(readLimits({}, NOTHING, {}, FILE)).toEqual({
      lockWaitMs: 60_000,
      lockTimeoutMs: 5_000,
      concurrentLockTimeoutMs: 1_800_000,
      statementTimeoutMs: 0,
      retries: 10,
      retryForMs: 300_000,
    });
  });

  test("are named alike as flag, variable and key", () => {
    expect(LIMITS.map(({ key, flag, variable }) => [key, flag, variable])).toEqual([
      ["lockWait", "--lock-wait", "MIGRATOR_LOCK_WAIT"],
      ["lockTimeout", "--lock-timeout", "MIGRATOR_LOCK_TIMEOUT"],
      ["concurrentLockTimeout", "--concurrent-lock-timeout", "MIGRATOR_CONCURRENT_LOCK_TIMEOUT"],
      ["statementTimeout", "--statement-timeout", "MIGRATOR_STATEMENT_TIMEOUT"],
      ["retries", "--retries", "MIGRATOR_RETRIES"],
      ["retryFor", "--retry-for", "MIGRATOR_RETRY_FOR"],
    ]);
  });

  test("of a flag rank before the environment, and that before the config file", () => {
    const env = environment({ MIGRATOR_LOCK_TIMEOUT: "2s", MIGRATOR_RETRIES: "2" });
    const config: LimitsInput = { lockTimeout: "3s", retries: 3, lockWait: "3s" };
    expect(readLimits({ lockTimeout: "1s" }, env, config, FILE)).toMatchObject({
      lockTimeoutMs: 1_000,
      retries: 2,
      lockWaitMs: 3_000,
    });
  });

  test.each([
    ["500ms", 500],
    ["5s", 5_000],
    ["1.5s", 1_500],
    [" 2 min ", 120_000],
    ["1h", 3_600_000],
    ["0", 0],
  ])("%j is a duration", (text, ms) => {
    expect(readLimits({ lockTimeout: text }, NOTHING, {}, FILE).lockTimeoutMs).toBe(ms);
  });

  test.each(["5", "soon", "-1s", "5 m", "", "Infinity"])(
    "%j is none, and the fix shows the units",
    (text) => {
      expect(() => readLimits({ lockTimeout: text }, NOTHING, {}, FILE)).toThrow(
        expect.objectContaining({
          code: "setting-invalid",
          fix: expect.stringContaining("500ms, 5s, 2min or 1h"),
        }),
      );
    },
  );

  test("one that is longer than PostgreSQL counts is refused as such", () => {
    expect(() => readLimits({ lockTimeout: "1000h" }, NOTHING, {}, FILE)).toThrow(
      expect.objectContaining({ code: "setting-invalid", fix: expect.stringContaining("596h") }),
    );
    expect(readLimits({ lockTimeout: "596h" }, NOTHING, {}, FILE).lockTimeoutMs).toBe(596 * 3_600_000);
  });

  test.each(["1.5", "many", "-1"])("%j is no number of retries", (text) => {
    expect(() => readLimits({}, environment({ MIGRATOR_RETRIES: text }), {}, FILE)).toThrow(MigratorError);
  });

  test("with a mistyped name are refused, with those that there are", () => {
    const mistyped: object = { lockwait: "5s" };
    expect(() => readLimits(mistyped, NOTHING, {}, FILE)).toThrow(
      expect.objectContaining({
        code: "setting-invalid",
        message: "limits.lockwait: there is no such setting",
        fix: expect.stringContaining("lockWait, lockTimeout"),
      }),
    );
  });

  test("that are wrong name where they stand", () => {
    const wrong = environment({ MIGRATOR_RETRY_FOR: "ever" });
    expect(() => readLimits({}, wrong, {}, FILE)).toThrow(/^MIGRATOR_RETRY_FOR \(from a test\): "ever"/);
    expect(() => readLimits({}, NOTHING, { lockWait: "ever" }, FILE)).toThrow(
      /^lockWait in other\.config\.mjs: "ever"/,
    );
    expect(() => readLimits({ lockWait: "ever" }, NOTHING, {}, FILE)).toThrow(/^limits\.lockWait: "ever"/);
  });
});
