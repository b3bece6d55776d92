import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readCounts, sumOf } from "../matrix/counts.ts";

const COUNT_TESTS = fileURLToPath(new URL("../../../../.ci/count-tests.mjs", import.meta.url));
const VITEST = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "counts-test-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs vitest on a file with this text, as the lanes of CI do; resolves to the JSON that it wrote and its exit code. */
async function runOf(name: string, text: string): Promise<{ file: string; exitCode: number }> {
  await writeFile(join(folder, `${name}.spec.mjs`), text);
  const file = join(folder, `${name}.json`);
  const args = [VITEST, "run", "--globals", "--root", folder, "--reporter", "json", "--outputFile", file];
  // That we are a test of vitest's ourselves is none of its business.
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith("VITEST")));
  const exitCode = await promisify(execFile)(process.execPath, [...args, `${name}.spec`], { env }).then(
    () => 0,
    (error: { code: number }) => error.code,
  );
  return { file, exitCode };
}

const count = async (file: string, succeeded: boolean) =>
  promisify(execFile)(process.execPath, [COUNT_TESTS, file, String(succeeded)]);

test("CI counts a run, and the runs of a matrix together, and names what failed", async () => {
  const good = await runOf("good", `test("holds", () => {}); test.skip("waits", () => {});`);
  const bad = await runOf("bad", `test("breaks", () => { expect(1).toBe(2); });`);
  const unloaded = await runOf("unloaded", `throw new Error("no such thing");`);

  expect(await count(good.file, true)).toEqual({ stdout: "1 0 1\n", stderr: "" });

  const one = await count(bad.file, false);
  expect(one.stdout).toBe("0 1 0\n");
  expect(one.stderr).toMatch(/^FAILED: .*bad\.spec\.mjs: breaks\n.*expected 1 to be 2/);

  const runs = await Promise.all(
    [good, bad, unloaded].map(async ({ file, exitCode }, i) => ({
      name: `PostgreSQL ${14 + i}`,
      counts: await readCounts(file, exitCode),
    })),
  );
  const total = sumOf(runs);
  const file = join(folder, "total.json");
  await writeFile(file, JSON.stringify(total));
  const all = await count(file, total.success);
  expect(all.stdout).toBe("1 2 1\n");
  expect(all.stderr).toMatch(/^FAILED: PostgreSQL 15: .*bad\.spec\.mjs: breaks\n/);
  expect(all.stderr).toMatch(/^FAILED: PostgreSQL 16: .*unloaded\.spec\.mjs: .*no such thing/m);
});

test("a matrix in which every run succeeded counts so", async () => {
  const good = await runOf("fine", `test("holds", () => {});`);
  const counts = await readCounts(good.file, good.exitCode);
  const file = join(folder, "fine-twice.json");
  await writeFile(file, JSON.stringify(sumOf(["first", "second"].map((name) => ({ name, counts })))));
  expect(await count(file, true)).toEqual({ stdout: "2 0 0\n", stderr: "" });
});

test("a run without a file of results counts as one failure", async () => {
  const counts = await readCounts(join(folder, "none.json"), 1);
  const file = join(folder, "crashed.json");
  await writeFile(file, JSON.stringify(sumOf([{ name: "first", counts }])));
  expect(await count(file, false)).toEqual({ stdout: "0 1 0\n", stderr: "" });
});
