import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parse } from "dotenv";
import { MigratorError } from "./errors.ts";
import { keepSecret, keepSecretOf } from "./secrets.ts";

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
export function readEnvironment(root: string, env: NodeJS.ProcessEnv = process.env): Environment {
  const files = FILES.map((name) => ({ name, values: parse(read(join(root, name))) }));
  const layers = [{ name: "the environment", values: definedOf(env) }, ...files];
  // The parts of a connection may come from several places.
  const shown = layers.flatMap(({ values }) => [values.POSTGRES_USERNAME, values.POSTGRES_DATABASE]);
  for (const { values } of layers) {
    keepSecretOf(values.DATABASE_URL);
    keepSecretOf(values.SCRATCH_DATABASE_URL);
    keepSecret(values.POSTGRES_PASSWORD, shown);
  }
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

/** Not awaited, since drizzle-kit's config file, which also asks for the connection, cannot wait. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return "";
    throw new MigratorError({
      code: "settings-unreadable",
      message: `${path} is there but cannot be read (${code})`,
      state: "nothing was done",
      fix: "make it readable for this user, or remove it",
      cause,
    });
  }
}

function definedOf(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
}
