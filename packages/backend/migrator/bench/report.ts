import { cpus, totalmem } from "node:os";
import type { CaseResult, Table } from "./bench.ts";
import { median, ratioOf, type Times } from "./statistics.ts";

/** What was measured on, and with which versions. */
export interface Setting {
  /** `2026-01-31` */
  readonly day: string;
  /** By name: `Node`, `PostgreSQL`, each tool. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Timed runs as a table: fastest first, with each one's ratio to the floor, which is the median of the rounds' ratios. */
export function timesTable(times: readonly Times[], floor: string): Table {
  const sorted = [...times].sort((a, b) => median(a.ms) - median(b.ms));
  return {
    head: ["", "median ms", "fastest", "slowest", "runs", `x ${floor}`],
    rows: sorted.map(({ name, ms }) => [
      name,
      median(ms).toFixed(0),
      Math.min(...ms).toFixed(0),
      Math.max(...ms).toFixed(0),
      String(ms.length),
      ratioOf(times, name, floor).toFixed(2),
    ]),
  };
}

/** The result as the Markdown page `bench/RESULTS.md`. */
export function toMarkdown(setting: Setting, results: readonly CaseResult[]): string {
  return [
    "# Benchmark results",
    "",
    "Written by `pnpm bench`; do not edit.",
    "",
    `- Day: ${setting.day}`,
    `- Machine: ${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), ${Math.round(totalmem() / 2 ** 30)} GB`,
    `- ${listed(setting.versions)}`,
    "- The server is on the same machine, in its default settings (fsync is on). Contestants take turns, a first round",
    "  is not counted. A ratio is the median of the rounds' ratios.",
    "",
    "## Goals",
    "",
    "| goal | measured | |",
    "|---|---:|---|",
    ...results.flatMap(({ goals }) =>
      goals.map(({ text, measured, kept }) => `| ${text} | ${measured} | ${kept ? "kept" : "NOT kept"} |`),
    ),
    "",
    ...results.flatMap(section),
  ].join("\n");
}

/** Whether all goals are kept. */
export function keepsGoals(results: readonly CaseResult[]): boolean {
  return results.every(({ goals }) => goals.every(({ kept }) => kept));
}

function section({ title, description, table }: CaseResult): readonly string[] {
  return [`## ${title}`, "", ...description, "", ...tableLines(table), ""];
}

function tableLines({ head, rows }: Table): readonly string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, index) => (index === 0 ? "---" : "---:"));
  return [line(head), `|${rule.join("|")}|`, ...rows.map(line)];
}

function listed(versions: Readonly<Record<string, string>>): string {
  return Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ");
}
