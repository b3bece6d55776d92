import { createHash, randomBytes } from "node:crypto";

/** What every database and role of a test run starts with, so that leftovers on a shared server can be told apart. */
export const PREFIX = "repo_test_";

/** Leftovers of a run are taken for a crashed run's after this time (6 h): no run lasts that long. */
export const LEFTOVER_AGE_MS = 6 * 60 * 60 * 1000;

/** A new run's prefix of names: `repo_test_<seconds since 1970, base 36>_<random>`. */
export function newRunName(now: number = Date.now()): string {
  return `${PREFIX}${Math.floor(now / 1000).toString(36)}_${randomBytes(3).toString("hex")}`;
}

/** When the run that made this name began, in ms since 1970; undefined for a name that no run made. */
export function findRunStart(name: string): number | undefined {
  const stamp = /^repo_test_([0-9a-z]{6,7})_[0-9a-f]{6}_/.exec(name)?.[1];
  return stamp === undefined ? undefined : Number.parseInt(stamp, 36) * 1000;
}

/** Whether a database or role is one that a crashed run left behind. */
export function isLeftover(name: string, now: number = Date.now()): boolean {
  const start = findRunStart(name);
  return start !== undefined && now - start > LEFTOVER_AGE_MS;
}

/** A name no other test of the run has. `kind` tells what it is: `d` a database, `r` a role. */
export function uniqueName(run: string, kind: "d" | "r"): string {
  return `${run}_${kind}_${randomBytes(6).toString("hex")}`;
}

/** The name of a template's database: the same in every worker of the run, at most 63 bytes like every identifier. */
export function templateDatabaseName(run: string, template: string): string {
  const readable = template
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "_")
    .slice(0, 12);
  const exact = createHash("sha256").update(template).digest("hex").slice(0, 8);
  return `${run}_t_${readable}_${exact}`;
}
