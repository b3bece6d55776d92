import { execFile } from "node:child_process";
import { chmod, mkdtemp, readdir, readFile, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Starts the embedded PostgreSQL in a folder that does not exist yet, with a password for its superuser. */
export type StartEmbedded = (options: {
  dataFolder: string;
  password: string;
  settings: Record<string, string>;
}) => Promise<{ readonly url: string; stop(): Promise<void> }>;

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
  const folder = await mkdtemp(join(base, FOLDER_PREFIX));
  const remove = () => rm(folder, { recursive: true, force: true, maxRetries: 3 });
  try {
    // mkdtemp's folders are closed to others; for root the server runs as another user.
    await chmod(folder, 0o755);
    await writeFile(join(folder, "owner.pid"), String(process.pid));
    const server = await start({
      dataFolder: join(folder, "data"),
      password: options.password,
      settings: { ...options.settings },
    });
    return {
      url: server.url,
      stop: async () => {
        await server.stop();
        await remove();
      },
    };
  } catch (error) {
    await remove();
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

/** A run that was killed stops no server: the next one does, and frees the memory. */
async function removeAbandoned(base: string): Promise<void> {
  const folders = (await readdir(base)).filter((name) => name.startsWith(FOLDER_PREFIX));
  for (const folder of folders.map((name) => join(base, name))) {
    const owner = await readPid(join(folder, "owner.pid"));
    if (owner === undefined || isAlive(owner)) continue;
    const postmaster = await readPid(join(folder, "data", "postmaster.pid"));
    // Another user's leftovers cannot be signalled or removed; they are that user's to sweep.
    if (postmaster !== undefined && (await commandOf(postmaster)).includes(folder)) signal(postmaster);
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }).catch(() => {});
  }
}

/** The first line of a pid file. */
async function readPid(file: string): Promise<number | undefined> {
  const pid = Number.parseInt(await readFile(file, "utf8").catch(() => ""), 10);
  return Number.isInteger(pid) && pid > 0 ? pid : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** A process' command line, empty where there is none; the id in an old file may be another process' by now. */
async function commandOf(pid: number): Promise<string> {
  const fromProc = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  if (fromProc) return fromProc;
  return run("ps", ["-o", "args=", "-p", String(pid)]).then(
    ({ stdout }) => stdout,
    () => "",
  );
}

/** SIGQUIT is PostgreSQL's immediate shutdown. */
function signal(postmaster: number): void {
  try {
    process.kill(postmaster, "SIGQUIT");
  } catch {
    // It ended meanwhile, or belongs to another user.
  }
}
