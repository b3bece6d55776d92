import { codeOf, isServerError, serverWords } from "../database/failures.ts";
import { EXIT, MigratorError, messageOf } from "../errors.ts";
import type { RunContext } from "./context.ts";
import { explain } from "./step-failures.ts";

/** Names what the server refused. @param what it was for: "saving table x" */
export async function onServer<T>(
  { database }: Pick<RunContext, "database">,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof MigratorError) throw cause;
    if (!isServerError(cause)) throw explain({ sql: "" }, cause, database);
    throw new MigratorError({
      code: "backup-failed",
      message: `${what} failed`,
      details: serverWords(cause),
      fix: "mend what PostgreSQL says, then run again",
      exitCode: EXIT.found,
      cause,
    });
  }
}

/** Names what the file system refused. @param folder in which backups are made */
export async function onDisk<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof MigratorError) throw cause;
    throw new MigratorError({
      code: "backup-failed",
      message: `the rows that would be lost cannot be saved in ${folder}`,
      details: [messageOf(cause)],
      fix: FIXES[codeOf(cause) ?? ""] ?? OTHER_FOLDER,
      exitCode: EXIT.found,
      cause,
    });
  }
}

const OTHER_FOLDER = "mend that, or name another folder with --backup-folder, then run again";

const FIXES: Readonly<Record<string, string>> = {
  ENOSPC: "make room there, or name another folder with --backup-folder, then run again",
  EFBIG: "let files grow larger there, or name another folder with --backup-folder, then run again",
  EACCES: "let this user write there, or name another folder with --backup-folder, then run again",
};
