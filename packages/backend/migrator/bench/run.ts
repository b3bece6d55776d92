import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedServer } from "../src/database/embedded-server.ts";
import { VERSION } from "../src/version.ts";
import type { Bench, CaseResult } from "./bench.ts";
import { catalog } from "./cases/catalog.ts";
import { indexBuild } from "./cases/index-build.ts";
import { far, many } from "./cases/many.ts";
import { nothingToDo } from "./cases/nothing-to-do.ts";
import { plan } from "./cases/plan.ts";
import { psqlVersion } from "./contestants.ts";
import { connectDatabases } from "./databases.ts";
import { type CaseName, type Flags, HELP, parseFlags } from "./flags.ts";
import { keepsGoals, type Setting, toMarkdown } from "./report.ts";
import { installRivals, type Rivals } from "./rivals.ts";

const CASES: Readonly<Record<CaseName, (bench: Bench) => Promise<CaseResult>>> = {
  "nothing-to-do": nothingToDo,
  many,
  far,
  index: indexBuild,
  catalog,
  plan,
};

const flags = parseFlags(process.argv.slice(2));
if (flags === "help") process.stdout.write(HELP);
else await main(flags);

async function main(flags: Flags): Promise<void> {
  const rivals = await installRivals();
  const base = await mkdtemp(join(tmpdir(), "migrator-bench-"));
  try {
    const { page, kept } = await measure(flags, rivals, base);
    process.stdout.write(page);
    if (flags.write) await writeFile(new URL("RESULTS.md", import.meta.url), page);
    if (!kept) process.exitCode = 1;
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

async function measure(flags: Flags, rivals: Rivals, base: string): Promise<{ page: string; kept: boolean }> {
  const server = await startEmbeddedServer({ dataFolder: join(base, "data") });
  const databases = await connectDatabases(server.url);
  try {
    const results: CaseResult[] = [];
    for (const name of flags.only) {
      process.stderr.write(`${name}\n`);
      const folder = join(base, name);
      await mkdir(folder);
      results.push(await CASES[name]({ flags, databases, rivals, url: server.url, folder }));
    }
    const setting = await settingOf(databases.version, rivals);
    return { page: toMarkdown(setting, results), kept: keepsGoals(results) };
  } finally {
    await databases.close();
    await server.stop();
  }
}

async function settingOf(serverVersion: string, rivals: Rivals): Promise<Setting> {
  const tools = Object.entries(rivals.versions).filter(([name]) => name !== "postgres" && name !== "pg");
  return {
    day: new Date().toISOString().slice(0, 10),
    versions: {
      migrator: VERSION,
      Node: process.versions.node,
      PostgreSQL: serverVersion,
      psql: (await psqlVersion()) ?? "(none)",
      "postgres.js": rivals.versions.postgres ?? "",
      pg: rivals.versions.pg ?? "",
      ...Object.fromEntries(tools),
    },
  };
}
