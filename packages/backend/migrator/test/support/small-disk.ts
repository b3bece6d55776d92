import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { onTestFinished } from "vitest";
import type { CliProcess } from "./cli.ts";
import { temporaryFolder } from "./temporary.ts";

const run = promisify(execFile);

const BYTES = 512 * 1024;

/** A folder in which a process can write no more than half a megabyte. */
export interface SmallDisk {
  readonly folder: string;
  /** What the system says when it is full. */
  readonly words: "ENOSPC" | "EFBIG";
  /** To be called as soon as the process runs. */
  limit(process: CliProcess): Promise<void>;
}

/** Only root may mount, and not in every container; elsewhere, the process can make no large file. */
export async function makeSmallDisk(): Promise<SmallDisk> {
  const folder = await temporaryFolder();
  const mounted = await run("mount", ["-t", "tmpfs", "-o", `size=${BYTES}`, "tmpfs", folder]).then(
    () => true,
    () => false,
  );
  if (mounted) {
    onTestFinished(async () => {
      await run("umount", [folder]);
    });
    return { folder, words: "ENOSPC", limit: async () => undefined };
  }
  const limit = async ({ pid }: CliProcess) => {
    await run("prlimit", ["--pid", String(pid), `--fsize=${BYTES}:${BYTES}`]);
  };
  return { folder, words: "EFBIG", limit };
}
