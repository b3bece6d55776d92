import { afterAll, onTestFinished, TestRunner } from "vitest";

type Dispose = () => Promise<void>;

const atFileEnd: Dispose[] = [];

// Registered when a test file imports this package, which is the one moment at which vitest takes a hook for the whole
// file: an afterAll called later, from within a beforeAll, is silently ignored.
afterAll(async () => {
  const failures: unknown[] = [];
  // Last made, first gone: what was made later may use what was made before.
  for (let dispose = atFileEnd.pop(); dispose; dispose = atFileEnd.pop()) {
    await dispose().catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw new AggregateError(failures, "the test database could not clean up");
});

/** Has `dispose` run after the test file's last test. */
export function whenFileEnds(dispose: Dispose): void {
  atFileEnd.push(dispose);
}

/**
 * Has `dispose` run at the end of the test that is running (also from its beforeEach), or, outside of one, after the
 * file's last test. Concurrent tests count as outside: vitest cannot tell which of them is calling.
 */
export function whenScopeEnds(dispose: Dispose): void {
  const test = TestRunner.getCurrentTest();
  if (test && !test.concurrent) onTestFinished(dispose);
  else whenFileEnds(dispose);
}
