import type { MigrationReview, StatementReview } from "../review/assess.ts";
import type { Review } from "../review/review.ts";
import type { Verdict } from "../review/verdict.ts";
import { lineColors as colors, type Output } from "./output.ts";
import { shortSql, showFinding, showHazard, showLock, showSummary } from "./review-words.ts";
import { count, duration } from "./text.ts";

/** The plan as text: a line for each migration, then each statement with what there is to say of it. */
export function reportReview(output: Output, review: Review, verdict: Verdict): void {
  const { migrations, database, server, direction, fingerprint } = review;
  const what = direction === "up" ? "pending" : "to roll back";
  const where = `database ${database} at ${server}`;
  if (migrations.length === 0) output.line(`nothing ${what}; ${where}`);
  else output.line(`${count(migrations.length, "migration")} ${what}; ${where}`);
  reportMigrations(output, migrations);
  output.line("");
  output.line(verdict.fails ? colors.red(verdict.words) : verdict.words);
  output.line(`fingerprint ${fingerprint.slice(0, 16)}`);
}

/** The same for a folder that no database is looked at with. */
export function reportMigrations(output: Output, migrations: readonly MigrationReview[]): void {
  if (migrations.length === 0) return;
  output.line("");
  const width = Math.max(...migrations.map(({ fileName }) => fileName.length));
  for (const { fileName, summary } of migrations)
    output.line(`${fileName.padEnd(width)}  ${showSummary(summary)}`);
  for (const migration of migrations) {
    output.line("");
    output.line(colors.bold(migration.fileName) + tookOf(migration));
    for (const statement of migration.statements) {
      for (const line of linesOf(statement, migration)) output.line(line);
    }
  }
}

function tookOf({ summary: { tookMs } }: MigrationReview): string {
  return tookMs === null ? "" : colors.dim(`  took ${duration(tookMs)} when it ran here before`);
}

/** `      high  …` */
const MARGIN = 10;

function linesOf(statement: StatementReview, { statements }: MigrationReview): readonly string[] {
  const { number, line, sql, alone, locks, preflight, hazards, weight, failure, untried } = statement;
  const before = statements[statements.indexOf(statement) - 1];
  const isNew = before !== undefined && before.transaction !== statement.transaction;
  const told = locks.filter((lock) => lock.since === number || lock.rewrites || lock.scans);
  return [
    ...(isNew ? [colors.dim(alone ? "  -- outside of any transaction" : "  -- a new transaction")] : []),
    `  ${number}  ${colors.dim(`line ${line}`)}  ${shortSql(sql)}`,
    ...(untried === undefined ? [] : entry("untried", untried)),
    ...(failure === undefined ? [] : entry(colors.red("error"), `on the copy: ${failure.join("; ")}`, 5)),
    ...told.flatMap((lock) => [
      ...entry("lock", showLock(lock, statement)),
      ...lock.inTheWay.flatMap((session) => entry("now", `in its way: ${session}`)),
    ]),
    ...(weight.ms === null || weight.duration === "instant"
      ? []
      : entry("time", `${weight.duration}, about ${duration(weight.ms)}`)),
    ...preflight.flatMap((finding) =>
      entry(paint(finding.outcome), showFinding(finding), finding.outcome.length),
    ),
    ...hazards.flatMap((hazard) => [
      ...entry(
        hazard.allowed === undefined ? paint(hazard.severity) : "accepted",
        showHazard(hazard),
        hazard.allowed === undefined ? hazard.severity.length : "accepted".length,
      ),
      ...(hazard.safer === undefined || hazard.allowed !== undefined ? [] : saferLines(hazard.safer)),
    ]),
  ];
}

/** @param length of the label as it is seen */
function entry(label: string, text: string, length = label.length): readonly string[] {
  return [`      ${label}${" ".repeat(Math.max(1, MARGIN - length))}${text}`];
}

function saferLines(safer: string): readonly string[] {
  const indent = " ".repeat(6 + MARGIN);
  return [`${indent}${colors.dim("safer:")}`, ...safer.split("\n").map((line) => `${indent}  ${line}`)];
}

function paint(word: string): string {
  if (word === "fails" || word === "high") return colors.red(word);
  if (word === "loses" || word === "medium") return colors.yellow(word);
  return word;
}
