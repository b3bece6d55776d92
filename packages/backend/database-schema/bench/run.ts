import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedServer } from "@repo/migrator";
import { type BenchFlags, parseFlags, usage } from "./flags.ts";
import { measure } from "./measure.ts";
import { keepsGoal, toMarkdown } from "./report.ts";

const flags = readFlags();
if (flags?.help) process.stdout.write(usage);
else if (flags) await bench(flags);

/** The flags of the command line, or nothing once it has been told what is wrong with them. */
function readFlags(): BenchFlags | undefined {
  try {
    return parseFlags(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    process.exitCode = 2;
    return undefined;
  }
}

async function bench({ sizes, runsPerQuery, write }: BenchFlags): Promise<void> {
  const dataFolder = await mkdtemp(join(tmpdir(), "wishlist-bench-"));
  try {
    const server = await startEmbeddedServer({ dataFolder });
    try {
      const result = await measure(server.url, sizes, runsPerQuery);
      const page = toMarkdown(result, new Date().toISOString().slice(0, 10));
      process.stdout.write(page);
      if (write) await writeFile(new URL("RESULTS.md", import.meta.url), page);
      if (!keepsGoal(result)) process.exitCode = 1;
    } finally {
      await server.stop();
    }
  } finally {
    await rm(dataFolder, { recursive: true, force: true });
  }
}
