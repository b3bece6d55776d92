import { parseArgs } from "node:util";

/** The bench's cases, in the order they run. */
export const CASES = ["nothing-to-do", "many", "far", "index", "catalog", "plan"] as const;

export type CaseName = (typeof CASES)[number];

/** How much is measured. */
export interface Flags {
  readonly only: readonly CaseName[];
  /** Timed runs of each contestant; undefined takes each case's own number. */
  readonly runs: number | undefined;
  /** Rows of the table that gets an index, or is asked by a plan. */
  readonly rows: number;
  /** Generated migrations. */
  readonly migrations: number;
  /** Added by the proxy to each direction, in ms. */
  readonly delayMs: number;
  /** Whether RESULTS.md is rewritten. */
  readonly write: boolean;
}

const FULL = { rows: 10_000_000, migrations: 200, delay: 20 } as const;

/** What `--help` prints. */
export const HELP = `pnpm bench [--only ${CASES.join(",")}] [--runs <n>] [--rows <n>] [--migrations <n>] [--delay <ms>] [--write]

  --only        cases to measure (default: all)
  --runs        timed runs of each contestant (default: 15, 7, 1, 3, 5 and 1 by case)
  --rows        rows of the large table (default: ${FULL.rows})
  --migrations  how many migrations are generated (default: ${FULL.migrations})
  --delay       ms that the proxy adds each way (default: ${FULL.delay})
  --write       rewrite RESULTS.md; a run without any flag does so anyway
`;

/** @throws Error for a flag, a case or a number that does not exist */
export function parseFlags(args: readonly string[]): Flags | "help" {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      only: { type: "string" },
      runs: { type: "string" },
      rows: { type: "string" },
      migrations: { type: "string" },
      delay: { type: "string" },
      write: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help) return "help";
  return {
    only: values.only === undefined ? CASES : values.only.split(",").map(caseNamed),
    runs: values.runs === undefined ? undefined : wholeNumber("--runs", values.runs),
    rows: wholeNumber("--rows", values.rows ?? String(FULL.rows)),
    migrations: wholeNumber("--migrations", values.migrations ?? String(FULL.migrations)),
    delayMs: wholeNumber("--delay", values.delay ?? String(FULL.delay)),
    write: values.write ?? Object.keys(values).length === 0,
  };
}

function caseNamed(name: string): CaseName {
  const found = CASES.find((one) => one === name.trim());
  if (found) return found;
  throw new Error(`--only does not know ${JSON.stringify(name)}; there are ${CASES.join(", ")}`);
}

function wholeNumber(flag: string, text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new Error(`${flag} takes a whole number above 0, not ${JSON.stringify(text)}`);
}
