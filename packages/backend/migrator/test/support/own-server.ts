import { execFile } from "node:child_process";
import { chmod, chown, mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import postgres from "postgres";
import {
  type EmbeddedServer,
  embeddedUrl,
  findRunningServer,
  isAlive,
  startEmbeddedServer,
} from "../../src/database/embedded-server.ts";
import { until } from "./sessions.ts";

const run = promisify(execFile);

/** A PostgreSQL server of one test file, which may be treated badly. */
export interface OwnServer {
  readonly url: string;
  /** Makes a database and gives its URL. */
  createDatabase(name: string): Promise<string>;
  /** Runs SQL in the database `postgres`. */
  run(sql: string): Promise<unknown>;
  /** Immediate shutdown: every process of it ends without a word, as in a crash. */
  stopHard(): Promise<void>;
  /** Starts it again on its port. */
  startAgain(): Promise<void>;
  /** Makes a tablespace `small` with room for a few MB. Says what sets the limit. */
  createSmallTablespace(): Promise<"a small file system" | "a limit on file sizes">;
  /** Stops it, and removes what it had. */
  remove(): Promise<void>;
}

/** Starts a server with a cluster of its own (about 1.5 s). */
export async function startOwnServer(settings: Readonly<Record<string, string>>): Promise<OwnServer> {
  const folder = await mkdtemp(join(tmpdir(), "migrator-server-"));
  // For root the server runs as another user, who must get in.
  await chmod(folder, 0o755);
  const dataFolder = join(folder, "data");
  const options = { dataFolder, settings: { fsync: "off", ...settings } };
  let server: EmbeddedServer = await startEmbeddedServer(options);
  const mounts: string[] = [];
  const sqlOf = async (sql: string) => {
    const client = postgres(server.url, { max: 1, onnotice: () => {} });
    try {
      return await client.unsafe(sql);
    } finally {
      await client.end({ timeout: 1 });
    }
  };
  return {
    url: server.url,
    async createDatabase(name) {
      await sqlOf(`create database ${name}`);
      return embeddedUrl(server.port, name);
    },
    run: sqlOf,
    async stopHard() {
      const postmaster = findRunningServer(dataFolder)?.pid ?? 0;
      process.kill(postmaster, "SIGQUIT");
      await until("the server to end", async () => !isAlive(postmaster));
    },
    async startAgain() {
      server = await startEmbeddedServer({ ...options, port: server.port });
    },
    async createSmallTablespace() {
      const place = join(folder, "small");
      await mkdir(place);
      const mounted = await mount(place);
      if (mounted) mounts.push(place);
      const { uid, gid } = await stat(dataFolder);
      const location = join(place, "files");
      await mkdir(location);
      await chown(location, uid, gid);
      await sqlOf(`create tablespace small location '${location}'`);
      if (mounted) return "a small file system";
      await server.stop();
      await withLimitedFiles(async () => {
        server = await startEmbeddedServer({ ...options, port: server.port });
      });
      return "a limit on file sizes";
    },
    async remove() {
      if (findRunningServer(dataFolder)) await server.stop();
      for (const place of mounts) await run("umount", [place]);
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

const SMALL_MB = 8;

/** Only root may mount, and not in every container. */
async function mount(place: string): Promise<boolean> {
  return run("mount", ["-t", "tmpfs", "-o", `size=${SMALL_MB}m`, "tmpfs", place]).then(
    () => true,
    () => false,
  );
}

/**
 * What is started meanwhile can make no file larger than a WAL segment (16 MiB), which a server must be able to make. It
 * inherits this process' limit, since nobody may set another user's.
 */
async function withLimitedFiles(start: () => Promise<void>): Promise<void> {
  const limit = (most: string) => run("prlimit", ["--pid", String(process.pid), `--fsize=${most}:`]);
  await limit(String(16 * 2 ** 20));
  try {
    await start();
  } finally {
    await limit("unlimited");
  }
}
