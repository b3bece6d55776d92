import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import type { EmbeddedSettings } from "../config.ts";
import {
  embeddedUrl,
  findRunningServer,
  isAlive,
  startEmbeddedServer,
  stopEmbeddedServer,
} from "./embedded-server.ts";
import { withFileLock } from "./file-lock.ts";

/** A local database in use by this process. */
export interface EmbeddedDatabase {
  readonly url: string;
  /** Whether this call started the server; false where it ran already. */
  readonly started: boolean;
  /** Ends this process' use; the last user stops the server. */
  release(): Promise<void>;
}

/** Major version of the embedded binaries; a data folder belongs to one major. */
const MAJOR = 17;

/** Tried first, so that a URL in psql or Drizzle Studio stays good from day to day. */
const USUAL_PORT = 54_317;

/**
 * The local database, its server started and the database made where needed. Commands that run at the same time share
 * one server: each leaves a file with its process id while it uses it, and the last to finish stops it.
 */
export async function openEmbedded(settings: EmbeddedSettings): Promise<EmbeddedDatabase> {
  const place = placeOf(settings);
  await mkdir(place.users, { recursive: true });
  // Its own .gitignore, so that no repository has to know about this folder.
  await writeFile(join(settings.root, ".postgres", ".gitignore"), "*\n");
  return withFileLock(place.lock, async () => {
    const running = findRunningServer(place.data);
    const port =
      running?.port ?? (await startEmbeddedServer({ dataFolder: place.data, port: USUAL_PORT })).port;
    await ensureDatabase(port, settings.database);
    await writeFile(join(place.users, String(process.pid)), "");
    const url = embeddedUrl(port, settings.database);
    return { url, started: running === undefined, release: () => release(settings) };
  });
}

/** The URL of the local database if its server is running now (`migrator dev` keeps it so). */
export function findEmbeddedUrl(settings: EmbeddedSettings): string | undefined {
  const running = findRunningServer(placeOf(settings).data);
  return running && embeddedUrl(running.port, settings.database);
}

async function release(settings: EmbeddedSettings): Promise<void> {
  const place = placeOf(settings);
  await withFileLock(place.lock, async () => {
    await rm(join(place.users, String(process.pid)), { force: true });
    if ((await livingUsers(place.users)) > 0) return;
    if (findRunningServer(place.data)) await stopEmbeddedServer(place.data);
  });
}

/** How many processes use the server; what killed ones left behind is removed. */
async function livingUsers(folder: string): Promise<number> {
  const pids = await readdir(folder);
  const dead = pids.filter((pid) => !isAlive(Number(pid)));
  await Promise.all(dead.map((pid) => rm(join(folder, pid), { force: true })));
  return pids.length - dead.length;
}

async function ensureDatabase(port: number, database: string): Promise<void> {
  const sql = postgres(embeddedUrl(port, "postgres"), { max: 1, fetch_types: false, onnotice: () => {} });
  try {
    const found = await sql`select 1 from pg_database where datname = ${database}`;
    if (found.length === 0) await sql`create database ${sql(database)}`;
  } finally {
    await sql.end();
  }
}

interface Place {
  readonly data: string;
  readonly users: string;
  readonly lock: string;
}

function placeOf(settings: EmbeddedSettings): Place {
  const base = join(settings.root, ".postgres", String(MAJOR));
  return { data: join(base, "data"), users: join(base, "users"), lock: join(base, "lock") };
}
