import type { Settings } from "../config.ts";
import type { Database } from "../database/connect.ts";
import type { ServerFacts } from "../database/inspect.ts";
import { createWatcher, type Watcher } from "../database/watch.ts";
import type { Listener } from "../events.ts";

/** What everything that runs migrations works with. */
export interface RunContext {
  readonly database: Database;
  readonly settings: Settings;
  readonly on: Listener;
  readonly watcher: Watcher;
  /** Aborted when a person or the system wants the run to end. */
  readonly signal: AbortSignal;
}

/** A signal that nobody gives. */
export const NEVER: AbortSignal = new AbortController().signal;

/** Makes the context of a run, with a watcher that is closed afterwards. */
export async function withRunContext<T>(
  parts: Omit<RunContext, "watcher">,
  facts: ServerFacts,
  work: (context: RunContext) => Promise<T>,
): Promise<T> {
  const watcher = createWatcher(parts.database, facts.pid);
  try {
    return await work({ ...parts, watcher });
  } finally {
    await watcher.close();
  }
}
