import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { MigratorError } from "../errors.ts";
import { isAlive } from "./embedded-server.ts";

/** Longest wait for another process, in ms: making a cluster takes about a second, a slow disk some more. */
const PATIENCE_MS = 60_000;

/** Runs `work` while this process alone holds the lock file. A lock whose process has died is taken over. */
export async function withFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await tryTake(path))) {
    if (Date.now() > deadline) throw heldTooLong(path);
    await sleep(20 + Math.random() * 30);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function tryTake(path: string): Promise<boolean> {
  // Written first and linked into place, so that the lock never exists without its holder's id.
  const ticket = `${path}.${process.pid}`;
  await writeFile(ticket, String(process.pid));
  try {
    await link(ticket, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    await removeIfDead(path);
    return false;
  } finally {
    await rm(ticket, { force: true });
  }
}

async function removeIfDead(path: string): Promise<void> {
  const holder = await readFile(path, "utf8").catch(() => "");
  if (holder === "" || isAlive(Number(holder))) return;
  // Moved aside and looked at again: a faster waiter may have replaced the dead holder's lock by its own meanwhile.
  const aside = `${path}.${process.pid}.aside`;
  if (!(await succeeds(rename(path, aside)))) return;
  if ((await readFile(aside, "utf8")) !== holder) await succeeds(link(aside, path));
  await rm(aside, { force: true });
}

function succeeds(action: Promise<unknown>): Promise<boolean> {
  return action.then(
    () => true,
    () => false,
  );
}

function heldTooLong(path: string): MigratorError {
  return new MigratorError({
    code: "embedded-server-busy",
    message: `another process has been starting or stopping the embedded PostgreSQL for ${PATIENCE_MS / 1000} s`,
    fix: `if no other command is running, remove ${path} and try again`,
  });
}
