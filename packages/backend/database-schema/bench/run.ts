import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedServer } from "@repo/migrator";
import { measure } from "./measure.ts";
import { keepsGoal, toMarkdown } from "./report.ts";

const sizes = [100_000, 1_000_000];
const runsPerQuery = 2_000;

const dataFolder = await mkdtemp(join(tmpdir(), "wishlist-bench-"));
try {
  const server = await startEmbeddedServer({ dataFolder });
  try {
    const result = await measure(server.url, sizes, runsPerQuery);
    const page = toMarkdown(result, new Date().toISOString().slice(0, 10));
    process.stdout.write(page);
    await writeFile(new URL("RESULTS.md", import.meta.url), page);
    if (!keepsGoal(result)) process.exitCode = 1;
  } finally {
    await server.stop();
  }
} finally {
  await rm(dataFolder, { recursive: true, force: true });
}
