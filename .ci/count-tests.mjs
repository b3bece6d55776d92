// Prints "<passed> <failed> <skipped>" of one lane, read from the file that vitest's JSON reporter wrote, and to stderr
// which tests failed and why: the log above them is long, and often only its end is kept.
//
//   node .ci/count-tests.mjs <file> <true|false: the command succeeded>
//
// The runs of a matrix come as one file, each test file in it with the run that it was of.
//
// A file that does not load has no tests to count, and a run may fail after its last test (an unhandled error, a
// server that cannot be stopped): where such a run names no failed test, it counts as one failure. So does a run
// without any test. Without a readable file the exit code is 1.
import { readFileSync } from "node:fs";
import { relative } from "node:path";

const [results = "", succeeded] = process.argv.slice(2);
const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, success, testResults } = JSON.parse(
  readFileSync(results, "utf8"),
);
const bad = succeeded !== "true" || !success || numPassedTests + numFailedTests === 0;
const failed = bad ? Math.max(numFailedTests, 1) : numFailedTests;
console.log(numPassedTests, failed, numPendingTests + numTodoTests);

const REASON_LINES = 12;

for (const { name, run, assertionResults, message } of testResults) {
  const file = [run, relative(process.cwd(), name)].filter(Boolean).join(": ");
  const broken = assertionResults.filter(({ status }) => status === "failed");
  for (const { fullName, failureMessages } of broken) {
    const reason = failureMessages.join("\n").split("\n").slice(0, REASON_LINES);
    console.error([`FAILED: ${file}: ${fullName}`, ...reason].join("\n    "));
  }
  if (broken.length === 0 && message) console.error(`FAILED: ${file}: ${message}`);
}
