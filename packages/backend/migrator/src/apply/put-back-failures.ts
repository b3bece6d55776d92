import type { Database } from "../database/connect.ts";
import { codeOf, isServerError, serverWords } from "../database/failures.ts";
import { EXIT, MigratorError } from "../errors.ts";
import { explain } from "./step-failures.ts";

/** Names what the server refused. @param what it was for: "putting back table x" */
export function refused(what: string, cause: unknown, database: Database): unknown {
  if (cause instanceof MigratorError) return cause;
  if (!isServerError(cause)) return explain({ sql: "" }, cause, database);
  const { code, fix } = BY_STATE[codeOf(cause) ?? ""] ?? OTHERS;
  return new MigratorError({
    code,
    message: `${what} failed`,
    details: serverWords(cause),
    fix,
    exitCode: EXIT.found,
    cause,
  });
}

const OTHERS = { code: "restore-failed", fix: "mend what PostgreSQL says, then run again" };

const BY_STATE: Readonly<Record<string, { readonly code: string; readonly fix: string }>> = {
  "23505": {
    code: "rows-in-the-way",
    fix: "move or delete the row that has this value now, then run again",
  },
  "23503": {
    code: "does-not-fit",
    fix: "put the row that it refers to back first (by the backup of that table, if there is one), then run again",
  },
  "42501": {
    code: "permission-denied",
    fix: "run it as the tables' owner, or grant what PostgreSQL names",
  },
};
