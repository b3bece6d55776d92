import { spawn } from "node:child_process";

/** A program to start. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Beside PATH and HOME, the only ones handed on. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Runs a program to its end.
 * @returns ms from its start to its end, whole process
 * @throws Error with what it said, where it fails
 */
export function timeProcess({ file, args, cwd, env }: Command): Promise<number> {
  const { PATH = "", HOME = "" } = process.env;
  return new Promise((resolve, reject) => {
    let said = "";
    const start = process.hrtime.bigint();
    const child = spawn(file, args, {
      cwd,
      env: { PATH, HOME, NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        said += chunk;
      });
    child.once("error", reject);
    child.once("close", (code) => {
      const ms = Number(process.hrtime.bigint() - start) / 1e6;
      if (code === 0) resolve(ms);
      else reject(new Error(`${file} ${args.join(" ")} ended with ${code}:\n${said.slice(-2000)}`));
    });
  });
}
