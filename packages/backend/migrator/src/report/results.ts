import type { BaselineResult } from "../apply/baseline.ts";
import { type Loss, showLoss } from "../apply/losses.ts";
import type { MigrateResult } from "../apply/migrate.ts";
import type { RepairResult } from "../apply/repair.ts";
import type { RestoreResult } from "../apply/restore.ts";
import type { RollbackResult } from "../apply/rollback.ts";
import type { Difference } from "../catalog/compare.ts";
import type { V1Result } from "../verify/v1-check.ts";
import type { Output } from "./output.ts";
import { count, duration, instant, shortPath } from "./text.ts";

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

/** What the database was found to be like after a rollback. */
export interface RollbackCheck {
  /** Null where it could not be compared. */
  readonly drift: readonly Difference[] | null;
  /** Why it could not. */
  readonly reason?: string;
}

/** The last lines of `rollback`. */
export function reportRollback(
  output: Output,
  result: RollbackResult & { readonly check?: RollbackCheck },
): void {
  for (const loss of result.lost) output.line(lineOfLoss(loss));
  const where = `database ${result.database} at ${result.server}`;
  const done = result.rolledBack.length;
  output.line(
    done === 0 ? `nothing to roll back; ${where}` : `rolled back ${count(done, "migration")}; ${where}`,
  );
  for (const { rows, folder } of result.backups)
    output.line(`${count(rows, "row")} saved in ${shortPath(folder)}`);
  if (result.backups.length > 0) output.line("to put them back: migrate again, then, in this order:");
  // The table before the column that a later migration added to it.
  for (const { tag, folder } of [...result.backups].reverse()) {
    // The altered values stand where the saved ones shall go.
    const altered = result.lost.some((loss) => loss.tag === tag && loss.narrowedTo !== undefined);
    output.line(`  migrator restore ${shellWord(shortPath(folder))}${altered ? " --overwrite" : ""}`);
  }
  if (result.check) for (const line of linesOfCheck(result.check)) output.line(line);
  output.document(result);
}

function lineOfLoss(loss: Loss): string {
  const { narrowedTo, rows } = loss;
  if (narrowedTo === undefined) return `dropped with data: ${showLoss(loss)} (${count(rows, "row")})`;
  return `altered: ${count(rows, "value")} of ${showLoss(loss)}, which is ${narrowedTo} now`;
}

/** What `restore` put back. */
export function reportRestore(output: Output, result: RestoreResult): void {
  for (const { schema, table, columns, rows, alreadyThere, missing } of result.restored) {
    const what = columns === undefined ? "" : ` (${columns.join(", ")})`;
    const aside = [
      ...(alreadyThere > 0 ? [`${alreadyThere} were there already`] : []),
      ...(missing > 0 ? [`${missing} left out: their rows are gone`] : []),
    ];
    output.line(`${schema}.${table}${what}: ${[`${count(rows, "row")} put back`, ...aside].join(", ")}`);
  }
  output.line(
    `restored what the rollback of ${result.tag} saved on ${instant(result.savedAt)}; database ${result.database} at ${result.server}`,
  );
  output.document(result);
}

function linesOfCheck({ drift, reason }: RollbackCheck): readonly string[] {
  if (drift === null) return [`not compared with the remaining migrations: ${reason}`];
  if (drift.length === 0) return ["the database is what the remaining migrations say"];
  return [
    `the database is not what the remaining migrations say (\`migrator check\` tells how to put it right):`,
    ...drift.map(({ text }) => `  ${text}`),
  ];
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

/** As a shell reads it back. */
function shellWord(text: string): string {
  return /^[\w./:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
