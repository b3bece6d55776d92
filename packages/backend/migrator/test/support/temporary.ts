import { mkdtempSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** Outside of the repository, so that no `.env` of a developer and no `.git` is found above it. */
const base = mkdtempSync(join(tmpdir(), "migrator-test-"));

afterAll(() => rm(base, { recursive: true, force: true, maxRetries: 3 }));

/** An empty folder, removed after the file's last test. */
export function temporaryFolder(): Promise<string> {
  return mkdtemp(join(base, "t-"));
}
