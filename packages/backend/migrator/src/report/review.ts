import type { Hazard } from "../review/hazards/hazard.ts";
import type { Review } from "../review/review.ts";
import type { MigrationReview, StatementReview } from "../review/reviewed.ts";
import type { Verdict } from "../review/verdict.ts";
import { lineColors as colors, type Output } from "./output.ts";
import { isSql, shortSql, showFinding, showLock, showSummary } from "./review-words.ts";
import { count, duration } from "./text.ts";

/** The plan as text: a line for each migration, then each statement with what there is to say of it. */
export function reportReview(output: Output, review: Review, verdict: Verdict): void {
  const { migrations, database, server, direction } = review;
  const what = direction === "up" ? "pending" : "to roll back";
  const where = `database ${database} at ${server}`;
  if (migrations.length === 0) output.line(`nothing ${what}; ${where}`);
  else output.line(`${count(migrations.length, "migration")} ${what}; ${where}`);
  reportMigrations(output, migrations);
  output.line("");
  output.line(verdict.fails ? colors.red(verdict.words) : verdict.words);
}

/** The same for a folder that no database is looked at with. */
export function reportMigrations(output: Output, migrations: readonly MigrationReview[]): void {
  if (migrations.length === 0) return;
  output.line("");
  const width = Math.max(...migrations.map(({ fileName }) => fileName.length));
  for (const { fileName, summary } of migrations)
    output.line(`${fileName.padEnd(width)}  ${showSummary(summary)}`);
  // What a hazard does is explained where it comes up first.
  const explained = new Set<string>();
  for (const migration of migrations) {
    output.line("");
    output.line(colors.bold(migration.fileName) + tookOf(migration));
    for (const statement of migration.statements) {
      for (const line of linesOf(statement, migration, explained)) output.line(line);
    }
  }
}

function tookOf({ summary: { tookMs } }: MigrationReview): string {
  return tookMs === null ? "" : colors.dim(`  took ${duration(tookMs)} when it ran here before`);
}

/** How wide the column of labels is. */
const MARGIN = 10;

function linesOf(
  statement: StatementReview,
  { statements }: MigrationReview,
  explained: Set<string>,
): readonly string[] {
  const { number, line, sql, alone, locks, preflight, hazards, weight, untried } = statement;
  const before = statements[statements.indexOf(statement) - 1];
  const isNew = before !== undefined && before.transaction !== statement.transaction;
  const told = locks.filter((lock) => lock.since === number || lock.rewrites || lock.scans);
  return [
    ...(isNew && !(alone && before.alone)
      ? [colors.dim(alone ? "  -- outside of any transaction" : "  -- a new transaction")]
      : []),
    `  ${number}  ${colors.dim(`line ${line}`)}  ${shortSql(sql)}`,
    ...(untried === undefined ? [] : entry("untried", untried)),
    ...told.flatMap((lock) => [
      ...entry("lock", showLock(lock, statement)),
      ...lock.inTheWay.flatMap((session) => entry("now", `in its way: ${session}`)),
    ]),
    ...(weight.ms === null || weight.duration === "instant"
      ? []
      : entry("time", `${weight.duration}, about ${duration(weight.ms)}`)),
    ...preflight.flatMap((finding) => entry(finding.outcome, showFinding(finding))),
    ...hazards.flatMap((hazard) => hazardLines(hazard, explained)),
  ];
}

function hazardLines(hazard: Hazard, explained: Set<string>): readonly string[] {
  const { id, severity, message, effect, safer, allowed } = hazard;
  if (allowed !== undefined) return entry("accepted", `${id}: ${message} (${allowed})`);
  const isNew = !explained.has(id);
  explained.add(id);
  return [
    ...entry(severity, `${id}: ${message}`),
    ...(isNew ? [colors.dim(`${INDENT}${effect}`)] : []),
    ...(safer === undefined ? [] : saferLines(safer)),
  ];
}

const INDENT = " ".repeat(6 + MARGIN);

function entry(label: string, text: string): readonly string[] {
  return [`      ${paint(label)}${" ".repeat(Math.max(1, MARGIN - label.length))}${text}`];
}

function saferLines(safer: string): readonly string[] {
  if (!isSql(safer)) return [`${INDENT}${colors.dim("safer:")} ${safer}`];
  return [`${INDENT}${colors.dim("safer:")}`, ...safer.split("\n").map((line) => `${INDENT}  ${line}`)];
}

function paint(word: string): string {
  if (word === "fails" || word === "high") return colors.red(word);
  if (word === "loses" || word === "medium") return colors.yellow(word);
  return word;
}
