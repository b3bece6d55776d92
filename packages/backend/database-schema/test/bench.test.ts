import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { parseFlags, usage } from "../bench/flags.ts";

describe("the benchmark's flags", () => {
  test("without any it measures both sizes of the goal and writes the results", () => {
    expect(parseFlags([])).toEqual({
      sizes: [100_000, 1_000_000],
      runsPerQuery: 2_000,
      write: true,
      help: false,
    });
  });

  test("sizes, runs and writing can be chosen, also behind the two dashes that pnpm hands on", () => {
    const flags = ["--items", "1000,5000", "--runs=7", "--no-write"];
    const chosen = { sizes: [1_000, 5_000], runsPerQuery: 7, write: false, help: false };
    expect(parseFlags(flags)).toEqual(chosen);
    expect(parseFlags(["--", ...flags])).toEqual(chosen);
  });

  test.each([
    [["--size", "1000"], "--size"],
    [["--write"], "--write"],
    [["1000"], "1000"],
    [["--items"], "--items"],
    [["--items", ""], "--items"],
    [["--items", "1000,"], "--items"],
    [["--items", "0"], "--items"],
    [["--items", "1e3"], "--items"],
    [["--items", "-50"], "--items"],
    [["--items", "1020"], "multiples of 50"],
    [["--items", "2147483650"], "multiples of 50"],
    [["--runs", "0"], "--runs"],
    [["--runs", "2.5"], "--runs"],
    [["--runs", "many"], "--runs"],
    [["--no-write=yes"], "--no-write"],
  ])("%j is refused by name", (args, named) => {
    expect(() => parseFlags(args)).toThrow(named);
  });

  test("the usage names every flag, and the command prints it", async () => {
    const { stdout } = await bench("--help");
    expect(stdout).toBe(usage);
    for (const flag of ["--items", "--runs", "--no-write", "--help"]) expect(usage).toContain(`  ${flag} `);
  });

  test("an unknown flag ends the command with exit code 2 and the usage, before any server starts", async () => {
    await expect(bench("--fast")).rejects.toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringMatching(/'--fast'.*Usage: /s),
    });
  });
});

test("a small run prints the sizes asked for and leaves the written results alone", async () => {
  const results = new URL("../bench/RESULTS.md", import.meta.url);
  const before = await readFile(results, "utf8");
  // On a busy machine three runs may miss the goal, which is exit code 1 and no matter here.
  const { stdout } = await bench("--items", "100,1000", "--runs", "3", "--no-write").catch(
    orThrowUnlessMissed,
  );
  expect([...stdout.matchAll(/^## ([\d,]+) items, (\d+) users/gm)].map((match) => match.slice(1))).toEqual([
    ["100", "2"],
    ["1,000", "20"],
  ]);
  expect(stdout).toContain("Each query ran 3 times");
  expect(await readFile(results, "utf8")).toBe(before);
});

function bench(...args: readonly string[]) {
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const command = ["--conditions=source", "--import", "tsx", "bench/run.ts", ...args];
  return promisify(execFile)(process.execPath, command, { cwd });
}

function orThrowUnlessMissed(error: Error & { code?: unknown; stdout?: string }): { stdout: string } {
  if (error.code !== 1 || !error.stdout?.includes("NOT kept")) throw error;
  return { stdout: error.stdout };
}
