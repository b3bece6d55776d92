import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { HAZARD_KINDS } from "../../src/review/hazards/find.ts";
import type { HazardKind } from "../../src/review/hazards/rule.ts";
import { SQUAWK_RULES } from "../../src/review/hazards/squawk-rules.ts";
import { EXAMPLES, exampleOf } from "./hazard-examples.ts";

/** Writes the page anew. */
export const WRITE_PAGE = "pnpm --filter @repo/migrator docs:hazards";

export const PAGE = fileURLToPath(new URL("../../docs/hazards.md", import.meta.url));

const INTRODUCTION = `# Hazards

What \`plan\` and \`lint\` warn of: what a statement can do to running code or traffic, and the safer form. This page is made
from the rules and from the examples that test them; \`${WRITE_PAGE}\` writes it anew.

- \`high\`: stops a service, breaks running code or loses data. \`medium\`: may, under load or on large tables. \`low\`: good to know.
- Locks, scans and rewrites are measured on a copy of the schema, not looked up. Only tables that were there before the plan and
  have rows count. Work on a table with fewer than 10,000 rows is \`low\`: it is over before anybody notices.
- The rules that read only the text are [squawk](https://squawkhq.com)'s. Where a statement did not run on the copy, squawk speaks
  in the place of what would have been measured, under the same id.
- A comment accepts a hazard, and the report shows its reason:

\`\`\`sql
-- allow: dropped-column nobody reads it since release 41
ALTER TABLE "orders" DROP COLUMN "note";
\`\`\`

It stands for the statement that it is in, behind on the same line, or above; before the first statement of a file it stands for
the whole file. Without a reason it accepts nothing. Comments for squawk (\`squawk-ignore\`) and its configuration file are not read.
`;

/** The page as it should be. */
export function hazardsPage(): string {
  const parts = [
    INTRODUCTION,
    tableOf(HAZARD_KINDS),
    ...HAZARD_KINDS.map(sectionOf),
    `## What the examples start from\n\n${sqlBlock(readFileSync(`${EXAMPLES}base.sql`, "utf8"))}`,
    leftOut(),
  ];
  return `${parts.join("\n").trimEnd()}\n`;
}

function tableOf(kinds: readonly HazardKind[]): string {
  const rows = kinds.map(({ id, severity, title }) => [`[${id}](#${id})`, severity, title]);
  return aligned([["id", "severity", "what it is"], ...rows]);
}

/** A table as the formatter wants it, the first row its head. */
function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map(
    (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`,
  );
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [lines[0], rule, ...lines.slice(1), ""].join("\n");
}

function sectionOf({ id, severity, title, effect, safer }: HazardKind): string {
  const examples = (["bad", "good"] as const).flatMap((name) => {
    const text = exampleOf(id, name);
    return text === undefined ? [] : [`${WORDS[name]}:\n\n${sqlBlock(text)}`];
  });
  return [`## ${id}\n`, `${title} (${severity}). ${effect}\n`, `Safer: ${safer}\n`, ...examples].join("\n");
}

const WORDS = { bad: "Bad", good: "Good" } as const;

function sqlBlock(text: string): string {
  return `\`\`\`sql\n${text.trim()}\n\`\`\`\n`;
}

function leftOut(): string {
  const rows = Object.entries(SQUAWK_RULES).map(([name, rule]) => {
    if ("leftOut" in rule) return [name, `not reported: ${rule.leftOut}`];
    return [name, "standsIn" in rule ? `measured: [${rule.standsIn}](#${rule.standsIn})` : "reported"];
  });
  return `## Rules of squawk\n\n${aligned([["rule", "here"], ...rows])}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(PAGE, hazardsPage());
