import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Formats } from "./formats.ts";
import type { Command } from "./processes.ts";
import { dbmateBinary, type Rivals } from "./rivals.ts";

/** A way to apply migrations, as a program. */
export interface Contestant {
  readonly name: string;
  /** Applies what is pending in the database behind `url`. */
  command(url: string): Command;
}

/** Names that goals are computed with. */
export const OURS = "migrator";
export const DRIZZLE_KIT = "drizzle-kit";
export const PSQL = "psql, one transaction";
export const RAW = "postgres.js, one transaction";
export const BARE = "bare postgres.js reading the ledger";

export const BIN = fileURLToPath(new URL("../bin/migrator.js", import.meta.url));

/** This package's command line, as it is built. */
export function ours(folder: string, cwd: string): Contestant {
  return {
    name: OURS,
    command: (url) => node(cwd, [BIN, "migrate", "--migrations", folder, "--url", url]),
  };
}

/** drizzle-kit with a config file as its documentation shows it. */
export async function drizzleKit(folder: string, cwd: string, rivals: Rivals): Promise<Contestant> {
  const config = join(cwd, "drizzle.config.ts");
  await mkdir(cwd, { recursive: true });
  await writeFile(
    config,
    `export default { dialect: "postgresql", out: ${JSON.stringify(folder)}, dbCredentials: { url: process.env.DATABASE_URL! } };\n`,
  );
  const bin = join(rivals.drizzle, "node_modules", "drizzle-kit", "bin.cjs");
  return {
    name: DRIZZLE_KIT,
    command: (url) => node(cwd, [bin, "migrate", `--config=${config}`], { DATABASE_URL: url }),
  };
}

/** Everyone else, each with the folder in its own format. */
export function otherRivals(formats: Formats, cwd: string, rivals: Rivals): readonly Contestant[] {
  const bin = (...path: string[]) => join(rivals.others, "node_modules", ...path);
  return [
    {
      name: "drizzle-orm",
      command: (url) => node(cwd, [join(rivals.drizzle, "migrate.mjs"), url, formats.drizzle]),
    },
    {
      name: "dbmate",
      command: (url) => ({
        file: dbmateBinary(rivals),
        args: [
          "--url",
          `${url}?sslmode=disable`,
          "--migrations-dir",
          formats.dbmate,
          "--no-dump-schema",
          "migrate",
        ],
        cwd,
      }),
    },
    {
      name: "node-pg-migrate",
      command: (url) =>
        node(cwd, [bin("node-pg-migrate", "bin", "node-pg-migrate.js"), "up", "-m", formats.nodePgMigrate], {
          DATABASE_URL: url,
        }),
    },
    {
      name: "graphile-migrate",
      command: (url) =>
        node(
          cwd,
          [
            bin("graphile-migrate", "dist", "cli.js"),
            "migrate",
            "--config",
            join(formats.graphileMigrate, ".gmrc"),
          ],
          { DATABASE_URL: url },
        ),
    },
  ];
}

/** The least a runner on Node can do with nothing to apply. */
export function bareReader(cwd: string): Contestant {
  const script = fileURLToPath(new URL("floors/read-ledger.mjs", import.meta.url));
  return { name: BARE, command: (url) => node(cwd, [script, url]) };
}

/** The same SQL without bookkeeping: by psql, where the machine has it, and by postgres.js. */
export async function appliers(formats: Formats, cwd: string): Promise<readonly Contestant[]> {
  const script = fileURLToPath(new URL("floors/apply-file.mjs", import.meta.url));
  const raw: Contestant = { name: RAW, command: (url) => node(cwd, [script, url, formats.oneFile]) };
  if ((await psqlVersion()) === undefined) return [raw];
  const flags = ["-X", "-q", "-v", "ON_ERROR_STOP=1"];
  const psql = (...args: readonly string[]): Command => ({ file: "psql", args: [...flags, ...args], cwd });
  return [
    { name: PSQL, command: (url) => psql("--single-transaction", "-f", formats.oneFile, url) },
    { name: "psql, a transaction each", command: (url) => psql("-f", formats.oneFileCommitting, url) },
    raw,
  ];
}

/** e.g. `15.18`; undefined where there is no psql. */
export async function psqlVersion(): Promise<string | undefined> {
  return promisify(execFile)("psql", ["--version"]).then(
    ({ stdout }) => /\d+(\.\d+)?/.exec(stdout)?.[0],
    () => undefined,
  );
}

function node(cwd: string, args: readonly string[], env?: Readonly<Record<string, string>>): Command {
  return { file: process.execPath, args, cwd, ...(env && { env }) };
}
