/** PostgreSQL's table lock modes, weakest first. */
export const LOCK_MODES = [
  "ACCESS SHARE",
  "ROW SHARE",
  "ROW EXCLUSIVE",
  "SHARE UPDATE EXCLUSIVE",
  "SHARE",
  "SHARE ROW EXCLUSIVE",
  "EXCLUSIVE",
  "ACCESS EXCLUSIVE",
] as const;

export type LockMode = (typeof LOCK_MODES)[number];

/** Which modes each one keeps out; source: PostgreSQL's documentation, "Explicit Locking", table 13.2. */
const CONFLICTS: Readonly<Record<LockMode, readonly LockMode[]>> = {
  "ACCESS SHARE": ["ACCESS EXCLUSIVE"],
  "ROW SHARE": ["EXCLUSIVE", "ACCESS EXCLUSIVE"],
  "ROW EXCLUSIVE": LOCK_MODES.slice(4),
  "SHARE UPDATE EXCLUSIVE": LOCK_MODES.slice(3),
  SHARE: ["ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", ...LOCK_MODES.slice(5)],
  "SHARE ROW EXCLUSIVE": LOCK_MODES.slice(2),
  EXCLUSIVE: LOCK_MODES.slice(1),
  "ACCESS EXCLUSIVE": LOCK_MODES,
};

/** What a mode means for a running service: it keeps out readers, writers, or only other schema changes. */
export type Blocking = "reads and writes" | "writes" | "nothing";

export function blockingOf(mode: LockMode): Blocking {
  if (conflict(mode, "ACCESS SHARE")) return "reads and writes";
  return conflict(mode, "ROW EXCLUSIVE") ? "writes" : "nothing";
}

export function conflict(one: LockMode, other: LockMode): boolean {
  return CONFLICTS[one].includes(other);
}

/** Negative where `one` is the weaker. */
export function compareModes(one: LockMode, other: LockMode): number {
  return LOCK_MODES.indexOf(one) - LOCK_MODES.indexOf(other);
}

/** "ShareRowExclusiveLock", as pg_locks calls it, is SHARE ROW EXCLUSIVE. */
export function modeOf(name: string): LockMode | undefined {
  const words = name
    .replace(/Lock$/, "")
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ")
    .toUpperCase();
  return LOCK_MODES.find((mode) => mode === words);
}
