import { EXIT, MigratorError } from "../errors.ts";

/**
 * Work on scratch databases, which says of itself what Ctrl-C means: what the runner says of a migration that was stopped
 * speaks of a database that is gone by then.
 * @param what e.g. `the check`
 */
export async function interruptible<T>(
  what: string,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!signal.aborted) throw cause;
    throw new MigratorError({
      code: "interrupted",
      message: `${what} was interrupted`,
      state: "nothing was changed; the scratch databases are removed",
      fix: "run again",
      exitCode: EXIT.found,
      cause,
    });
  }
}
