import { parseArgs } from "node:util";

/** What one run of the benchmark is told to do. */
export interface BenchFlags {
  /** The table's sizes, one after the other. */
  readonly sizes: readonly number[];
  readonly runsPerQuery: number;
  /** Whether the result replaces `bench/RESULTS.md`. */
  readonly write: boolean;
  readonly help: boolean;
}

/** People have this many items each, so every size is a multiple of it. */
export const itemsPerUser = 50;

/** The last number that the table is filled by is an int4. */
const mostItems = 2 ** 31 - (2 ** 31 % itemsPerUser);

export const usage = `Usage: pnpm --filter @repo/database-schema bench [flags]

Fills wishlist tables on an embedded PostgreSQL of its own, times the queries behind the five indexes, and writes
bench/RESULTS.md. Exit code 1 where a query's p99 misses the goal, 2 on wrong usage.

  --items <n,n,…>  sizes of the table, multiples of ${itemsPerUser} (default: 100000,1000000)
  --runs <n>       how often each query runs at each size (default: 2000)
  --no-write       only print; leave bench/RESULTS.md as it is
  --help           print this
`;

/** @throws Error a flag that is not known, or a value that is none; the message is for people */
export function parseFlags(args: readonly string[]): BenchFlags {
  const { values } = parseArgs({
    // `pnpm bench -- --runs 5` hands the two dashes on.
    args: args[0] === "--" ? args.slice(1) : [...args],
    options: {
      items: { type: "string", default: "100000,1000000" },
      runs: { type: "string", default: "2000" },
      "no-write": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const sizes = values.items.split(",").map((text) => toNumber("--items", text));
  for (const size of sizes) {
    if (size % itemsPerUser !== 0 || size > mostItems) {
      throw new Error(`--items takes multiples of ${itemsPerUser} up to ${mostItems}, not ${size}`);
    }
  }
  const runsPerQuery = toNumber("--runs", values.runs);
  return { sizes, runsPerQuery, write: !values["no-write"], help: values.help };
}

function toNumber(flag: string, text: string): number {
  const number = Number(text);
  if (!/^[1-9]\d*$/.test(text) || !Number.isSafeInteger(number)) {
    throw new Error(`${flag} takes whole numbers above 0, not "${text}"`);
  }
  return number;
}
