import type { MigrationReview, StatementReview } from "../review/reviewed.ts";
import type { Verdict } from "../review/verdict.ts";
import { isSql, shortSql, showFinding, showHazard, showLock, showSummary } from "./review-words.ts";

/** A plan as the comment of a pull request: a table of files, and what there is to say of each folded up below it. */
export function markdownOf(
  title: string,
  migrations: readonly MigrationReview[],
  { fails, words }: Verdict,
): string {
  const rows = migrations.map(
    ({ fileName, summary }) => `| \`${fileName}\` | ${cell(showSummary(summary))} |`,
  );
  const table = rows.length === 0 ? [] : ["| migration | what it does |", "|---|---|", ...rows, ""];
  return [
    `### ${title}`,
    "",
    `${fails ? "❌" : "✅"} ${words}`,
    "",
    ...table,
    ...migrations.flatMap(sectionOf),
  ].join("\n");
}

function sectionOf({ fileName, statements }: MigrationReview): readonly string[] {
  const lines = statements.flatMap(linesOf);
  if (lines.length === 0) return [];
  return [`<details><summary><code>${fileName}</code></summary>`, "", ...lines, "", "</details>", ""];
}

function linesOf(statement: StatementReview): readonly string[] {
  const { number, line, sql, locks, hazards, preflight } = statement;
  const told = locks.filter(({ since, rewrites, scans }) => since === number || rewrites || scans);
  const items = [
    ...told.map((lock) => showLock(lock, statement)),
    ...preflight.map((finding) => `**${finding.outcome}** ${showFinding(finding)}`),
    ...hazards.map((hazard) => {
      const { allowed, severity, safer } = hazard;
      const head = `**${allowed === undefined ? severity : "accepted"}** ${showHazard(hazard)}`;
      if (safer === undefined || allowed !== undefined) return head;
      return isSql(safer) ? `${head}\n${indented(fenced(safer))}` : `${head} Safer: ${safer}`;
    }),
  ];
  if (items.length === 0) return [];
  return [
    `- statement ${number}, line ${line}: ${code(shortSql(sql))}`,
    ...items.map((item) => `  - ${item}`),
  ];
}

function fenced(sql: string): string {
  return `\`\`\`sql\n${sql}\n\`\`\``;
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, "    ");
}

/** Longer fences than the text has, so that a backquote in SQL does not end them. */
function code(text: string): string {
  const longest = Math.max(0, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  const space = longest > 0 ? " " : "";
  return `${fence}${space}${text}${space}${fence}`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
