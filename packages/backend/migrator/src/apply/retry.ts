import pRetry from "p-retry";
import { codeOf } from "../database/failures.ts";
import { patienceOf } from "../database/watch.ts";
import { EXIT, MigratorError } from "../errors.ts";
import type { RunContext } from "./context.ts";

/** Failures that are nobody's fault and may be gone the next time: lock timeout, deadlock, serialization failure. */
const PASSING = new Set(["55P03", "40P01", "40001"]);

/** Longest pause between two attempts, in ms. */
const LONGEST_PAUSE_MS = 15_000;

/**
 * Does something that leaves nothing behind when it fails, again where the failure may pass. Says each time who was in
 * the way.
 * @throws MigratorError of the last attempt, or `interrupted`
 */
export async function withRetries<T>(
  context: RunContext,
  tag: string,
  attempt: (retries: number) => Promise<T>,
): Promise<T> {
  const { settings, signal, on, watcher } = context;
  const { retries, retryForMs } = settings.limits;
  let result: { readonly value: T } | undefined;
  let tried = 0;
  let blockers: string | undefined;
  // Told when it is tried again: a pause that outlasts the time for retries is followed by none.
  let announce = () => {};
  const once = async () => {
    announce();
    blockers = undefined;
    const run = async () => ({ value: await attempt(tried++) });
    result = await watcher.during(run, {
      patienceMs: patienceOf(settings.limits),
      signal,
      onSight: (seen) => on({ type: "sighting", tag, ...seen }),
    });
  };
  const retrying = pRetry(once, {
    // No time to try again in is no further try: p-retry would make the first one however little time there is.
    retries: retryForMs === 0 ? 0 : retries,
    maxRetryTime: retryForMs,
    minTimeout: 100,
    maxTimeout: LONGEST_PAUSE_MS,
    randomize: true,
    // What is under way already is waited for, also when the signal has come: the watcher cancels it.
    ...(signal.aborted ? {} : { signal }),
    shouldRetry: ({ error }) => isPassing(error) && !signal.aborted,
    onFailedAttempt: ({ error, attemptNumber }) => {
      blockers = watcher.takeBlockers();
      const event = {
        type: "retrying",
        tag,
        attempt: attemptNumber,
        reason: reasonOf(error),
        blockers,
      } as const;
      announce = () => on(event);
    },
  });
  await retrying.catch((error: unknown) => {
    // What was committed before the signal came is committed, whatever p-retry thinks of the signal.
    if (result !== undefined) return;
    throw signal.aborted ? interrupted(error) : exhausted(error, tried, blockers);
  });
  if (result === undefined) throw new Error("an attempt ended without result or error");
  return result.value;
}

function isPassing(error: unknown): boolean {
  return error instanceof MigratorError && PASSING.has(codeOf(error.cause) ?? "");
}

function reasonOf(error: unknown): string {
  return error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
}

/** The last failure, with how often it was tried and who was in the way. */
function exhausted(error: unknown, tried: number, blockers: string | undefined): unknown {
  if (!(error instanceof MigratorError) || !isPassing(error)) return error;
  const { code, message, exitCode, cause } = error;
  const tries = `tried ${tried} time${tried === 1 ? "" : "s"}`;
  const details = [
    ...error.details.slice(0, 1),
    blockers ? `${tries}; in the way: ${blockers}` : tries,
    ...error.details.slice(1),
  ];
  const fix =
    "wait for what is in the way or end it (SELECT pg_terminate_backend(<pid>);), then run again; or wait longer: --lock-timeout, --retries, --retry-for";
  return new MigratorError({ code, message, details, exitCode, cause, fix });
}

export function interrupted(cause: unknown): MigratorError {
  return new MigratorError({
    code: "interrupted",
    message: "the run was interrupted",
    fix: "run again: it goes on where this one stopped",
    exitCode: EXIT.found,
    cause,
  });
}
