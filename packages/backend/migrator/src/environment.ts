import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parse } from "dotenv";
import { MigratorError } from "./errors.ts";

/** Variables with the place each came from, e.g. `environment` or `.env.local`. */
export interface Environment {
  get(name: string): string | undefined;
  sourceOf(name: string): string;
  /** All variables, the process' own first in rank. */
  readonly values: Readonly<Record<string, string>>;
}

/** Files looked into after the environment, in this order, at the repository's root. */
const FILES = [".env.local", ".env"] as const;

/** Where settings are looked up, in words. */
export const LOOKED_IN = "the environment, .env.local and .env at the repository's root";

/** The environment, completed from `.env.local` and then `.env` of the repository. An empty variable counts as set. */
export async function readEnvironment(
  root: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Environment> {
  const files = await Promise.all(
    FILES.map(async (name) => ({ name, values: parse(await read(join(root, name))) })),
  );
  const layers = [{ name: "the environment", values: definedOf(env) }, ...files];
  const layerOf = (name: string) => layers.find((layer) => name in layer.values);
  return {
    get: (name) => layerOf(name)?.values[name],
    sourceOf: (name) => layerOf(name)?.name ?? "nowhere",
    values: Object.assign({}, ...layers.map((layer) => layer.values).reverse()) as Record<string, string>,
  };
}

/** Nearest folder upwards that looks like a repository; the folder itself where there is none. */
export function findRepositoryRoot(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, "pnpm-workspace.yaml")) || existsSync(join(at, ".git"))) return at;
    if (at === dirname(at)) return folder;
  }
}

async function read(path: string): Promise<string> {
  return readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return "";
    throw new MigratorError({
      code: "settings-unreadable",
      message: `${path} is there but cannot be read (${cause.code})`,
      state: "nothing was done",
      fix: "make it readable for this user, or remove it",
      cause,
    });
  });
}

function definedOf(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
}
