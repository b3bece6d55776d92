import { readFile } from "node:fs/promises";

/** What became of the tests in one file, as far as it is needed here; the rest of vitest's fields stay as they are. */
export interface TestFile {
  readonly name: string;
  /** Which run it was of; vitest does not say. */
  readonly run?: string;
}

/** What became of the tests of one run, as vitest's JSON reporter names it; also what CI sums. */
export interface Counts {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  /** False also for a run that failed apart from its tests. */
  readonly success: boolean;
  /** The files that ran, from which CI names the failed tests. */
  readonly testResults: readonly TestFile[];
}

/**
 * Reads what vitest wrote. A run that failed without naming a failed test (a file that does not load, a server that is
 * not there, no test at all) counts as one failure.
 */
export async function readCounts(file: string, exitCode: number | null): Promise<Counts> {
  const read = await readFile(file, "utf8").then(
    (text) => JSON.parse(text) as Counts,
    () => NOTHING,
  );
  const success = exitCode === 0 && read.success && read.numPassedTests + read.numFailedTests > 0;
  const numFailedTests = success ? read.numFailedTests : Math.max(read.numFailedTests, 1);
  return { ...read, numFailedTests, success };
}

const NOTHING: Counts = {
  numPassedTests: 0,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  success: true,
  testResults: [],
};

/** All runs together, each with the name that its test results get. */
export function sumOf(runs: readonly { readonly name: string; readonly counts: Counts }[]): Counts {
  return runs.reduce(
    (sum, { name, counts: one }) => ({
      numPassedTests: sum.numPassedTests + one.numPassedTests,
      numFailedTests: sum.numFailedTests + one.numFailedTests,
      numPendingTests: sum.numPendingTests + one.numPendingTests,
      numTodoTests: sum.numTodoTests + one.numTodoTests,
      success: sum.success && one.success,
      testResults: [...sum.testResults, ...one.testResults.map((file) => ({ ...file, run: name }))],
    }),
    NOTHING,
  );
}
