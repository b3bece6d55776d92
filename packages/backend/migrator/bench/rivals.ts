import { execFile } from "node:child_process";
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { arch, platform } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** Where the rivals are, each with its version. */
export interface Rivals {
  /** Folder with drizzle-kit and drizzle-orm in its node_modules. */
  readonly drizzle: string;
  /** Folder with all others in its node_modules. */
  readonly others: string;
  /** By package. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Their versions are pinned there; the workspace knows nothing of these packages, so no clone waits for them. */
const PINS = fileURLToPath(new URL("rivals", import.meta.url));

/** Ignored by git, left alone by pnpm. */
const INSTALLED = fileURLToPath(new URL("../node_modules/.cache/bench-rivals", import.meta.url));

/** Installs the rivals with npm where they are not there yet (about 20 s, 130 MB). */
export async function installRivals(): Promise<Rivals> {
  const drizzle = await install("drizzle");
  const others = await install("others");
  return { drizzle, others, versions: { ...(await pinsOf("drizzle")), ...(await pinsOf("others")) } };
}

/** dbmate's own binary: through its npm wrapper a Node would be started before it. */
export function dbmateBinary({ others }: Rivals): string {
  const system = platform() === "win32" ? "win32" : platform();
  const name = platform() === "win32" ? "dbmate.exe" : "dbmate";
  return join(others, "node_modules", "@dbmate", `${system}-${arch()}`, "bin", name);
}

async function install(name: string): Promise<string> {
  const from = join(PINS, name);
  const to = join(INSTALLED, name);
  const pins = await readFile(join(from, "package.json"), "utf8");
  await mkdir(to, { recursive: true });
  for (const file of await readdir(from)) await copyFile(join(from, file), join(to, file));
  // Written last: an install that was cut is done again.
  const stamp = join(to, "installed.json");
  if ((await readFile(stamp, "utf8").catch(() => "")) === pins) return to;
  process.stderr.write(`installing the rivals in ${name}/package.json\n`);
  const flags = ["--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"];
  await promisify(execFile)("npm", ["install", ...flags], { cwd: to, shell: platform() === "win32" });
  await writeFile(stamp, pins);
  return to;
}

async function pinsOf(name: string): Promise<Readonly<Record<string, string>>> {
  const { dependencies } = JSON.parse(await readFile(join(PINS, name, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  return dependencies;
}
