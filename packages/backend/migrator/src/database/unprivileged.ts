import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** How to run a server binary: as oneself, or, for root (PostgreSQL refuses to run as root), as another user. */
export interface RunAs {
  /** Words before the command. */
  readonly prefix: readonly string[];
  /** Options for `child_process`. */
  readonly spawn: { readonly uid?: number; readonly gid?: number };
  /** Who must own the data folder; nobody in particular when undefined. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

const AS_ONESELF: RunAs = { prefix: [], spawn: {}, owner: undefined };

/** How to run server binaries that need to reach these folders. As root that is the user `nobody`: no user is made. */
export async function runAsFor(folders: readonly string[]): Promise<RunAs> {
  if (process.getuid?.() !== 0) return AS_ONESELF;
  const uid = await idOfNobody("-u");
  const gid = await idOfNobody("-g");
  const asNobody: RunAs = { prefix: [], spawn: { uid, gid }, owner: { uid, gid } };
  const reachable = await Promise.all(folders.map((folder) => isReachable(folder, uid, gid)));
  if (reachable.every(Boolean)) return asNobody;
  // A checkout below a private folder (/root, a mktemp -d) cannot be entered by another user. The capability to
  // search folders is then handed on; access(2), which the binaries use, honours it only with no_setuid_fixup set.
  // Reading comes before writing: dac_override is for containers that withhold dac_read_search.
  for (const capability of ["dac_read_search", "dac_override"]) {
    const prefix = setprivPrefix(uid, gid, capability);
    if (await works(prefix)) return { prefix, spawn: {}, owner: { uid, gid } };
  }
  return asNobody;
}

function setprivPrefix(uid: number, gid: number, capability: string): readonly string[] {
  return [
    "setpriv",
    `--reuid=${uid}`,
    `--regid=${gid}`,
    "--clear-groups",
    "--securebits=+no_setuid_fixup",
    `--inh-caps=+${capability}`,
    `--ambient-caps=+${capability}`,
    "--",
  ];
}

async function works(prefix: readonly string[]): Promise<boolean> {
  const [command = "", ...args] = [...prefix, "true"];
  return run(command, args).then(
    () => true,
    () => false,
  );
}

async function idOfNobody(flag: "-u" | "-g"): Promise<number> {
  return Number((await run("id", [flag, "nobody"])).stdout);
}

/** Whether a user may enter this folder: every folder on the way lets it search. A missing folder will be ours to make. */
async function isReachable(folder: string, uid: number, gid: number): Promise<boolean> {
  const {
    mode,
    uid: owner,
    gid: group,
  } = await stat(folder).catch(() => ({ mode: 0o001, uid: -1, gid: -1 }));
  const bit = owner === uid ? 0o100 : group === gid ? 0o010 : 0o001;
  if ((mode & bit) === 0) return false;
  return folder === dirname(folder) || isReachable(dirname(folder), uid, gid);
}
