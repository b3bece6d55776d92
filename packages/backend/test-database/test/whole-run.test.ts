import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { adminUrl } from "../src/index.ts";

interface Outcome {
  readonly code: number;
  readonly output: string;
}

/** Runs the specs in whole-run/ as a vitest run of their own. */
function runVitest(env: Readonly<Record<string, string>>): Promise<Outcome> {
  const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
  const config = fileURLToPath(new URL("whole-run/vitest.config.ts", import.meta.url));
  const inherited = Object.entries(process.env).filter(([name]) => !/^(VITEST|TEST_POSTGRES)/.test(name));
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [vitest, "run", "--config", config],
      { env: { ...Object.fromEntries(inherited), NO_COLOR: "1", ...env } },
      (error, stdout, stderr) => resolve({ code: error ? 1 : 0, output: stdout + stderr }),
    );
  });
}

test("in a whole run a template is built once for all workers, and only the template is left when the files end", async () => {
  const { code, output } = await runVitest({ TEST_POSTGRES: adminUrl() });
  expect(output).toContain("Tests  9 passed (9)");
  expect(code).toBe(0);
  expect(output.match(/building the shared template/g)).toHaveLength(1);
  expect(output).toMatch(/^left: _t_shared_by_al_[0-9a-f]{8}$/m);
});

test("a whole run whose forced lane cannot start fails and runs no test", async () => {
  const { code, output } = await runVitest({
    TEST_POSTGRES: "testcontainers",
    TEST_POSTGRES_IMAGE: "localhost:1/no-such-image:1",
  });
  expect(code).toBe(1);
  expect(output).toContain("TEST_POSTGRES=testcontainers cannot start");
  expect(output).not.toMatch(/\d+ passed/);
});

test("a whole run with a mistyped lane fails and names the lanes there are", async () => {
  const { code, output } = await runVitest({ TEST_POSTGRES: "testcontainer" });
  expect(code).toBe(1);
  expect(output).toContain(
    'TEST_POSTGRES does not know "testcontainer": use testcontainers, embedded or a URL',
  );
});
