import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import { temporaryFolder } from "./temporary.ts";

const BIN = fileURLToPath(new URL("../../bin/migrator.js", import.meta.url));

/** What a command line said and how it ended. */
export interface CliResult {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** Beside PATH and HOME, which are all that comes from outside. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** An empty folder outside of the repository unless said. */
  readonly cwd?: string | undefined;
  /** Written to its standard input, which is then closed; without it, there is none. */
  readonly input?: string | undefined;
}

/** A command line that is running. */
export interface CliProcess {
  readonly pid: number;
  readonly done: Promise<CliResult>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves once stdout and stderr, taken together, contain this. @throws Error when the process ends without */
  untilItSays(text: string): Promise<void>;
}

const running = new Set<ChildProcess>();

// A test that fails half way must not leave a server or a waiting runner behind.
afterAll(async () => {
  const left = [...running];
  for (const child of left) child.kill("SIGTERM");
  await Promise.all(left.map((child) => running.has(child) && once(child, "close")));
});

/** Runs the real command line to its end. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return (await startCli(args, options)).done;
}

/** Starts the real command line. */
export async function startCli(args: readonly string[], options: CliOptions = {}): Promise<CliProcess> {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(process.execPath, [BIN, ...args], {
    cwd: options.cwd ?? (await temporaryFolder()),
    env: { PATH, HOME, NO_COLOR: "1", ...options.env },
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  running.add(child);
  child.stdin?.end(options.input);
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (chunk: string) => {
      said[name] += chunk;
    });
  }
  const done = once(child, "close").then(([exitCode]: (number | null)[]) => {
    running.delete(child);
    return { exitCode: exitCode ?? null, ...said };
  });
  return {
    pid: child.pid ?? 0,
    done,
    kill: (signal) => child.kill(signal),
    untilItSays: (text) => untilSaid(text, child, said),
  };
}

function untilSaid(
  text: string,
  child: ChildProcess,
  said: { readonly stdout: string; readonly stderr: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (`${said.stdout}\n${said.stderr}`.includes(text)) resolve();
    };
    child.stdout?.on("data", look);
    child.stderr?.on("data", look);
    child.once("close", () => {
      look();
      reject(new Error(`ended without saying ${JSON.stringify(text)}:\n${said.stdout}${said.stderr}`));
    });
    look();
  });
}

/** The document that `--json` printed; throws unless stdout is exactly one. */
export function documentOf(result: CliResult): Record<string, unknown> {
  return JSON.parse(result.stdout) as Record<string, unknown>;
}

/** The `error` of a `--json` document. */
export function errorOf(result: CliResult): ErrorDocument {
  return documentOf(result).error as ErrorDocument;
}

export interface ErrorDocument {
  readonly code: string;
  readonly message: string;
  readonly details: readonly string[];
  readonly state: string | null;
  readonly fix: string | null;
}
