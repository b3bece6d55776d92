import type { Environment } from "./environment.ts";
import { MigratorError } from "./errors.ts";

/** How long a run waits for what, and how often it tries. Durations in ms; 0 means no limit where PostgreSQL says so. */
export interface Limits {
  /** For another runner's lock. */
  readonly lockWaitMs: number;
  /** For each lock on a table, in one attempt (PostgreSQL's `lock_timeout`). */
  readonly lockTimeoutMs: number;
  /** The same for statements that build or drop CONCURRENTLY, which wait for older transactions by design. */
  readonly concurrentLockTimeoutMs: number;
  /** For each statement (`statement_timeout`). */
  readonly statementTimeoutMs: number;
  /** How often a migration is tried again after a lock timeout, a deadlock or a serialization failure. */
  readonly retries: number;
  /** How long after its first attempt a migration is still tried again. */
  readonly retryForMs: number;
}

/** The same as people write them: durations with their unit ("5s", "2min"). */
export interface LimitsInput {
  readonly lockWait?: string | undefined;
  readonly lockTimeout?: string | undefined;
  readonly concurrentLockTimeout?: string | undefined;
  readonly statementTimeout?: string | undefined;
  readonly retries?: number | undefined;
  readonly retryFor?: string | undefined;
}

interface LimitName {
  readonly key: keyof LimitsInput;
  readonly flag: string;
  readonly variable: string;
  readonly usual: string;
  readonly summary: string;
}

/** One row a limit: its flag, its environment variable, its default. */
export const LIMITS = [
  row("lockWait", "60s", "longest wait for another runner"),
  row("lockTimeout", "5s", "longest wait for a lock on a table, in one attempt; 0 for ever"),
  row("concurrentLockTimeout", "30min", "the same for statements that build or drop CONCURRENTLY"),
  row("statementTimeout", "0", "longest time for one statement; 0 for ever"),
  row(
    "retries",
    "10",
    "how often a migration is tried again after a lock timeout, a deadlock or a serialization failure",
  ),
  row("retryFor", "5min", "how long a migration is tried again; 0 for not at all"),
] as const;

function row(key: keyof LimitsInput, usual: string, summary: string): LimitName {
  const words = key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return {
    key,
    flag: `--${words}`,
    variable: `MIGRATOR_${words.replaceAll("-", "_").toUpperCase()}`,
    usual,
    summary,
  };
}

/**
 * The limits in force: what the caller says ranks before the environment, that before the config file.
 * @param given from a program; flags have been checked by `checkLimit`, under their own names
 * @param configFile as messages name it
 * @throws MigratorError `setting-invalid`
 */
export function readLimits(
  given: LimitsInput,
  environment: Environment,
  config: LimitsInput,
  configFile: string,
): Limits {
  assertKnownKeys("limits", given, KEYS);
  const value = ({ key, variable, usual }: LimitName) => {
    if (given[key] !== undefined) return { text: String(given[key]), name: `limits.${key}` };
    const fromEnvironment = environment.get(variable);
    if (fromEnvironment)
      return { text: fromEnvironment, name: `${variable} (from ${environment.sourceOf(variable)})` };
    return { text: String(config[key] ?? usual), name: `${key} in ${configFile}` };
  };
  const [lockWait, lockTimeout, concurrentLockTimeout, statementTimeout, retries, retryFor] =
    LIMITS.map(value);
  return {
    lockWaitMs: parseDuration(lockWait),
    lockTimeoutMs: parseDuration(lockTimeout),
    concurrentLockTimeoutMs: parseDuration(concurrentLockTimeout),
    statementTimeoutMs: parseDuration(statementTimeout),
    retries: parseCount(retries),
    retryForMs: parseDuration(retryFor),
  };
}

const KEYS: readonly string[] = LIMITS.map(({ key }) => key);

/**
 * Refuses a mistyped key, which plain JavaScript would let pass unheard. @param name of the setting that
 * holds them, e.g. `limits`; none for the settings themselves
 * @throws MigratorError `setting-invalid`
 */
export function assertKnownKeys(name: string | undefined, given: object, known: readonly string[]): void {
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  const path = name === undefined ? unknown : `${name}.${unknown}`;
  throw invalid(path, "there is no such setting", `use one of: ${known.join(", ")}`);
}

/** Names of a type's keys, all of them: the compiler misses one that is left out. */
export function namesOf<T>(keys: Readonly<Record<keyof T, true>>): readonly string[] {
  return Object.keys(keys);
}

/** Checks a limit where it is typed, before anything else is looked at. @throws MigratorError `setting-invalid` */
export function checkLimit(flag: string, text: string): string {
  if (flag === "--retries") parseCount({ text, name: flag });
  else parseDuration({ text, name: flag });
  return text;
}

interface Written {
  readonly text: string;
  readonly name: string;
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 };

/** PostgreSQL keeps timeouts in 32 bits of ms. */
const LONGEST_MS = 2_147_483_647;

function parseDuration({ text, name }: Written = { text: "", name: "" }): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)\s*(ms|s|min|h)$/.exec(text.trim()) ?? [];
  const ms = text.trim() === "0" ? 0 : Math.round(Number(number) * (UNITS[unit] ?? Number.NaN));
  if (ms <= LONGEST_MS) return ms;
  if (ms > LONGEST_MS)
    throw invalid(
      name,
      `${JSON.stringify(text)} is longer than PostgreSQL counts`,
      "at most 596h, or 0 for ever",
    );
  throw invalid(
    name,
    `${JSON.stringify(text)} is not a duration`,
    "write a number with its unit: 500ms, 5s, 2min or 1h (or 0)",
  );
}

function parseCount({ text, name }: Written = { text: "", name: "" }): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw invalid(
    name,
    `${JSON.stringify(text)} is not a number of times`,
    "write a whole number, 0 for never",
  );
}

function invalid(name: string, what: string, fix: string): MigratorError {
  return new MigratorError({
    code: "setting-invalid",
    message: `${name}: ${what}`,
    state: "nothing was done",
    fix,
  });
}
