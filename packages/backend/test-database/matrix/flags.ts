import { parseArgs } from "node:util";
import { NODE, POSTGRES } from "./versions.ts";

/** What is run with what: each server with each Node. */
export interface Flags {
  /** Major versions. */
  readonly postgres: readonly string[];
  /** Major versions. */
  readonly node: readonly string[];
  /** Handed on to vitest, e.g. names of test files. */
  readonly vitest: readonly string[];
}

/** What `--help` prints. */
export const HELP = `pnpm test:matrix [--postgres ${list(POSTGRES)}] [--node ${list(NODE)}] [vitest's filters]

  Runs the tests on each PostgreSQL with each Node named; on all of them where none is named.
  VITEST_JSON=<file> also writes the counts of all runs together, as vitest names them.
`;

/** @throws Error for a version that is not supported */
export function parseFlags(args: readonly string[]): Flags | "help" {
  const { values, positionals } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    allowPositionals: true,
    options: { postgres: { type: "string" }, node: { type: "string" }, help: { type: "boolean" } },
  });
  if (values.help) return "help";
  return {
    postgres: choose("--postgres", values.postgres, POSTGRES),
    node: choose("--node", values.node, NODE),
    vitest: positionals,
  };
}

function choose(
  flag: string,
  text: string | undefined,
  known: Readonly<Record<string, string>>,
): readonly string[] {
  const chosen = text === undefined ? Object.keys(known) : text.split(",").map((part) => part.trim());
  const strange = chosen.find((version) => !(version in known));
  if (strange === undefined) return chosen;
  throw new Error(`${flag} does not know ${JSON.stringify(strange)}; there are ${list(known)}`);
}

function list(known: Readonly<Record<string, string>>): string {
  return Object.keys(known).join(",");
}
