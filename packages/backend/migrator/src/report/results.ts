import { showLoss } from "../apply/losses.ts";
import type { MigrateResult } from "../apply/migrate.ts";
import type { RollbackResult } from "../apply/rollback.ts";
import type { GenerateResult } from "../folder/generate.ts";
import type { Output } from "./output.ts";
import { count, duration } from "./text.ts";

/** The last lines of `migrate`. */
export function reportMigrate(output: Output, result: MigrateResult): void {
  const { applied, alreadyApplied, leftPending, database, server } = result;
  const where = `database ${database} at ${server}`;
  const left = leftPending.length === 0 ? "" : `, ${leftPending.length} left pending`;
  if (applied.length === 0) output.line(`nothing to apply: ${alreadyApplied} applied${left}; ${where}`);
  else {
    const total = applied.reduce((sum, ran) => sum + ran.durationMs, 0);
    output.line(
      `applied ${count(applied.length, "migration")} in ${duration(total)} (${alreadyApplied} before${left}); ${where}`,
    );
  }
  output.document(result);
}

/** The last lines of `rollback`. */
export function reportRollback(output: Output, result: RollbackResult): void {
  for (const loss of result.lost)
    output.line(`dropped with data: ${showLoss(loss)} (${count(loss.rows, "row")})`);
  if (result.rolledBack.length > 0) {
    output.line(
      `rolled back ${count(result.rolledBack.length, "migration")}; database ${result.database} at ${result.server}`,
    );
  }
  output.document(result);
}

/** What `generate` wrote, or that it had nothing to. */
export function reportGenerate(
  output: Output,
  result: GenerateResult,
  relativeTo: (path: string) => string,
): void {
  if (result.tag === undefined)
    output.line("nothing to generate: the schema has no change that the migrations lack");
  else {
    output.line(`generated ${result.tag}`);
    for (const file of result.files) output.line(`  ${relativeTo(file)}`);
    output.line(
      result.downUnfinished
        ? "the down file could not be drafted: finish it by hand before you commit"
        : "read both files before you commit; the down file is a draft",
    );
  }
  output.document({
    tag: result.tag ?? null,
    files: result.files.map(relativeTo),
    downUnfinished: result.downUnfinished,
  });
}
