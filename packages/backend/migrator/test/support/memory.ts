import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { CliProcess, CliResult } from "./cli.ts";

const run = promisify(execFile);

/** Waits for a process' end. @returns the most memory that it was seen to hold, in MB */
export async function watchMemory(
  process: CliProcess,
): Promise<{ readonly result: CliResult; readonly peakMb: number }> {
  let ended = false;
  const done = process.done.finally(() => {
    ended = true;
  });
  let peakKb = 0;
  while (!ended) {
    peakKb = Math.max(peakKb, await readKb(process.pid));
    await sleep(25);
  }
  return { result: await done, peakMb: Math.round(peakKb / 1024) };
}

/** Linux keeps the peak itself; elsewhere what is held now is all there is. 0 once the process has ended. */
async function readKb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => undefined);
  const peak = /VmHWM:\s+(\d+) kB/.exec(status ?? "")?.[1];
  if (peak !== undefined) return Number(peak);
  const now = await run("ps", ["-o", "rss=", "-p", String(pid)]).catch(() => ({ stdout: "0" }));
  return Number(now.stdout) || 0;
}
