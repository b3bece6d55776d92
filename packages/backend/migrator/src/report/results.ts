import type { BaselineResult } from "../apply/baseline.ts";
import { showLoss } from "../apply/losses.ts";
import type { MigrateResult } from "../apply/migrate.ts";
import type { RepairResult } from "../apply/repair.ts";
import type { RollbackResult } from "../apply/rollback.ts";
import type { GenerateResult } from "../folder/generate.ts";
import type { V1Result } from "../verify/v1-check.ts";
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
  const where = `database ${result.database} at ${result.server}`;
  const done = result.rolledBack.length;
  output.line(
    done === 0 ? `nothing to roll back; ${where}` : `rolled back ${count(done, "migration")}; ${where}`,
  );
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

/** What `baseline` wrote. */
export function reportBaseline(output: Output, result: BaselineResult): void {
  for (const tag of result.recorded) output.line(`${tag}  recorded as applied`);
  output.line(
    `${count(result.recorded.length, "migration")} recorded; nothing was run; database ${result.database} at ${result.server}`,
  );
  output.document(result);
}

/** What `repair` would change, or has changed. */
export function reportRepair(output: Output, result: RepairResult): void {
  for (const { kind, tag, what } of result.repairs) output.line(`${tag}  ${kind}: ${what}`);
  const where = `database ${result.database} at ${result.server}`;
  const done = result.written ? "made" : "to be made; nothing was written, say --write to make them";
  output.line(
    result.repairs.length === 0
      ? `nothing to repair; ${where}`
      : `${count(result.repairs.length, "change")} ${done}; ${where}`,
  );
  output.document(result);
}

/** What v1 would stumble over. */
export function reportV1(output: Output, result: V1Result): void {
  for (const { code, message, fix } of result.findings) output.line(`${code}: ${message}\n  fix: ${fix}`);
  const found = result.findings.length;
  const what = found === 0 ? "nothing here would hurt on the day of Drizzle v1" : count(found, "finding");
  output.line(`${what}; database ${result.database} at ${result.server}`);
  output.document(result);
}
