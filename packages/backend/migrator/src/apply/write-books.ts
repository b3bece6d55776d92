import type { ServerFacts } from "../database/inspect.ts";
import { showTable } from "../database/reading.ts";
import { type RunContext, withRunContext } from "./context.ts";
import { runTransaction } from "./execute.ts";
import { explainWrite } from "./explain.ts";
import { withRetries } from "./retry.ts";
import type { Step } from "./step-failures.ts";

/**
 * Changes ledger and run log alone, in one transaction, and again where the failure may pass, as a migration is.
 * @throws MigratorError that says what stands and what to do
 */
export async function writeBooks(
  parts: Omit<RunContext, "watcher">,
  facts: ServerFacts,
  steps: readonly Step[],
): Promise<void> {
  const attempt = (context: RunContext) =>
    withRetries(context, showTable(context.settings.ledger), () => runTransaction(context, steps)).catch(
      async (error: unknown) => {
        throw await explainWrite(error, context);
      },
    );
  await withRunContext(parts, facts, attempt);
}
