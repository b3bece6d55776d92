import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { chmod, mkdtemp, readdir, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Starts the embedded PostgreSQL in a folder that does not exist yet, with a password for its superuser. */
export type StartEmbedded = (options: {
  dataFolder: string;
  password: string;
  settings: Record<string, string>;
}) => Promise<{ readonly url: string; stop(): Promise<void> }>;

/** Followed by the id of the process that owns the folder. */
const FOLDER_PREFIX = "repo-test-postgres-";

/** A folder in memory is used when it has this much room left, in bytes: about 60 are in use, WAL may take 256 MB. */
const ROOM = 2 * 1024 ** 3;

/** Starts a server whose data live in a new temporary folder, which `stop` removes. */
export async function startInTemporaryFolder(
  start: StartEmbedded,
  options: { readonly password: string; readonly settings: Readonly<Record<string, string>> },
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const base = await temporaryFolder();
  await removeAbandoned(base);
  const folder = await mkdtemp(join(base, `${FOLDER_PREFIX}${process.pid}-`));
  const release = removeOnExit(folder);
  const end = async () => {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    release();
  };
  try {
    // mkdtemp's folders are closed to others; for root the server runs as another user.
    await chmod(folder, 0o755);
    const { password, settings } = options;
    const server = await start({ dataFolder: join(folder, "data"), password, settings: { ...settings } });
    const stop = async () => {
      await server.stop();
      await end();
    };
    return { url: server.url, stop };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Linux' memory file system halves the time of a clone and spares the disk; elsewhere the usual folder. */
async function temporaryFolder(): Promise<string> {
  const memory = "/dev/shm";
  const room = await statfs(memory).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  );
  return room >= ROOM ? memory : tmpdir();
}

/**
 * Ends server and folder also when the run is interrupted: vitest then exits without a teardown. Gives the way to
 * undo this.
 */
function removeOnExit(folder: string): () => void {
  const remove = () => removeNow(folder);
  const signals = (["SIGINT", "SIGTERM", "SIGHUP"] as const).filter(
    // Who listens already decides what the signal does; without a listener no exit handler would run.
    (signal) => process.listenerCount(signal) === 0,
  );
  const exit = (_: NodeJS.Signals, number: number) => process.exit(128 + number);
  for (const signal of signals) process.once(signal, exit);
  process.once("exit", remove);
  return () => {
    for (const signal of signals) process.off(signal, exit);
    process.off("exit", remove);
  };
}

/** A run that was killed outright stops no server: the next one does, and frees the memory. */
async function removeAbandoned(base: string): Promise<void> {
  for (const name of await readdir(base)) {
    const owner = new RegExp(`^${FOLDER_PREFIX}(\\d+)-`).exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) removeNow(join(base, name));
  }
}

/** Ends the server of a folder at once and removes the folder; as far as this user may, and without waiting. */
function removeNow(folder: string): void {
  try {
    const postmaster = Number.parseInt(readFileIfThere(join(folder, "data", "postmaster.pid")), 10);
    // SIGQUIT is PostgreSQL's immediate shutdown. The id in an old file may be another process' by now.
    if (postmaster > 0 && commandOf(postmaster).includes(folder)) process.kill(postmaster, "SIGQUIT");
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  } catch {
    // Another user's, or still in use: the next run tries again.
  }
}

function readFileIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** A process' command line, empty where there is none. */
function commandOf(pid: number): string {
  const fromProc = readFileIfThere(`/proc/${pid}/cmdline`);
  return fromProc || (spawnSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" }).stdout ?? "");
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
