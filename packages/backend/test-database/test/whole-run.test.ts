import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { expect, test } from "vitest";
import { adminUrl } from "../src/index.ts";

interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

/** Runs the specs in whole-run/ as a vitest run of their own; `watch` sees all output so far. */
function runVitest(
  env: Readonly<Record<string, string>>,
  watch: (output: string, child: ChildProcess) => void = () => {},
): Promise<Outcome> {
  const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
  const config = fileURLToPath(new URL("whole-run/vitest.config.ts", import.meta.url));
  const inherited = Object.entries(process.env).filter(([name]) => !/^(VITEST|TEST_POSTGRES)/.test(name));
  const child = spawn(process.execPath, [vitest, "run", "--config", config], {
    env: { ...Object.fromEntries(inherited), NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      watch(output, child);
    });
  }
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
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

test("a whole run that is interrupted leaves no embedded server behind", async () => {
  let port = "";
  const { code, output } = await runVitest({ TEST_POSTGRES: "embedded" }, (soFar, child) => {
    port = /^port: (\d+)$/m.exec(soFar)?.[1] ?? "";
    if (port !== "") child.kill("SIGTERM");
  });
  expect(output).toContain("server: embedded PostgreSQL");
  expect(code).toBe(143);
  const sql = postgres(`postgres://postgres@127.0.0.1:${port}/postgres`, { max: 1 });
  await expect
    .poll(() => sql`select 1`.catch((error) => error.code), { timeout: 10_000 })
    .toBe("ECONNREFUSED");
  await sql.end();
});
