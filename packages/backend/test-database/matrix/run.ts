import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startEmbeddedServer } from "../../migrator/src/database/embedded-server.ts";
import { startTestServer } from "../src/server.ts";
import { type Counts, readCounts, sumOf } from "./counts.ts";
import { type Flags, HELP, parseFlags } from "./flags.ts";
import { installNode, installPostgres, type NodeInstallation } from "./install.ts";

const CONFIG = fileURLToPath(new URL("../../vitest.config.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));

/** One run of the tests. */
interface Run {
  readonly postgres: string;
  readonly node: string;
  readonly counts: Counts;
  readonly seconds: number;
}

const flags = parseFlags(process.argv.slice(2));
if (flags === "help") process.stdout.write(HELP);
else await main(flags);

async function main(flags: Flags): Promise<void> {
  const nodes = await Promise.all(flags.node.map(installNode));
  const runs: Run[] = [];
  for (const major of flags.postgres) runs.push(...(await runOnServer(major, nodes, flags.vitest)));
  const total = sumOf(
    runs.map(({ postgres, node, counts }) => ({ name: `PostgreSQL ${postgres}, Node ${node}`, counts })),
  );
  console.log(tableOf(runs, total));
  if (process.env.VITEST_JSON) await writeFile(process.env.VITEST_JSON, JSON.stringify(total));
  if (!total.success) process.exitCode = 1;
}

/** Starts the server as the embedded lane of the tests would, with that lane's settings. */
async function runOnServer(
  major: string,
  nodes: readonly NodeInstallation[],
  filters: readonly string[],
): Promise<readonly Run[]> {
  const native = await installPostgres(major);
  const server = await startTestServer(
    { startEmbedded: (options) => startEmbeddedServer({ ...options, native }) },
    { TEST_POSTGRES: "embedded" },
  );
  try {
    const runs: Run[] = [];
    for (const node of nodes) {
      console.log(`\n=== PostgreSQL ${server.version}, Node ${node.version}`);
      const start = performance.now();
      const counts = await runTests(node, server.url, filters);
      const seconds = Math.round((performance.now() - start) / 1000);
      runs.push({ postgres: server.version, node: node.version, counts, seconds });
    }
    return runs;
  } finally {
    await server.stop();
  }
}

async function runTests(node: NodeInstallation, url: string, filters: readonly string[]): Promise<Counts> {
  const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");
  const folder = await mkdtemp(join(tmpdir(), "test-matrix-"));
  const file = join(folder, "counts.json");
  try {
    const child = spawn(node.file, [vitest, "run", "--config", CONFIG, ...filters], {
      cwd: ROOT,
      env: { ...process.env, PATH: node.path, TEST_POSTGRES: url, VITEST_JSON: file },
      stdio: ["ignore", "inherit", "inherit"],
    });
    const [exitCode] = (await once(child, "close")) as [number | null];
    return await readCounts(file, exitCode);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function tableOf(runs: readonly Run[], total: Counts): string {
  const line = (cells: readonly string[]) => cells.map((cell) => cell.padEnd(11)).join(" ");
  const rows = runs.map(({ postgres, node, counts, seconds }) => [
    postgres,
    node,
    ...[counts.numPassedTests, counts.numFailedTests, counts.numPendingTests + counts.numTodoTests].map(
      String,
    ),
    `${seconds} s`,
    counts.success ? "ok" : "FAILED",
  ]);
  return [
    "",
    line(["PostgreSQL", "Node", "passed", "failed", "skipped", "took", ""]),
    ...rows.map(line),
    `${total.numPassedTests} passed, ${total.numFailedTests} failed`,
  ].join("\n");
}
