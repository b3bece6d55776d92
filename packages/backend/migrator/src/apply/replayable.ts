import { EXIT, MigratorError } from "../errors.ts";
import type { MigrationFolder } from "../folder/read.ts";

/** @throws MigratorError `cannot-check` for a folder of which a file is missing */
export function assertReplayable({ path, migrations }: MigrationFolder): void {
  const lost = migrations.filter(({ up }) => up === undefined);
  if (lost.length === 0) return;
  throw new MigratorError({
    code: "cannot-check",
    message: `the folder ${path} cannot be replayed`,
    details: lost.map(({ fileName }) => `the journal names ${fileName}, and it is not there`),
    state: "nothing was changed",
    fix: "restore it from version control",
    exitCode: EXIT.refused,
  });
}

/** An up that fails says nothing of its down. */
export function notReplayed(cause: unknown): unknown {
  const own = ["interrupted", "no-scratch", "forbidden-statement"];
  if (!(cause instanceof MigratorError) || own.includes(cause.code)) return cause;
  return new MigratorError({
    code: "cannot-check",
    message: `the migrations do not run on an empty database: ${cause.message}`,
    details: cause.details,
    state: "nothing was changed; the scratch databases are removed",
    fix: "what they need beside each other (an extension, a role, a setting of the database) has to be in the migrations, or on the scratch server (--url, SCRATCH_DATABASE_URL)",
    exitCode: EXIT.refused,
    cause,
  });
}
