import { cpus, totalmem } from "node:os";
import type { BenchResult, SizeResult } from "./measure.ts";

/** The slowest p99 the queries may have, in milliseconds. */
export const p99GoalMs = 50;

/** Whether every query of every size keeps the goal. */
export const keepsGoal = (result: BenchResult) =>
  result.sizes.every(({ timings }) => timings.every(({ p99 }) => p99 < p99GoalMs));

/** The result as the Markdown page `bench/RESULTS.md`. */
export function toMarkdown(result: BenchResult, day: string): string {
  const [slowest = Number.NaN] = [...result.migrateMs].sort((a, b) => b - a);
  return [
    "# Benchmark results",
    "",
    "Written by `pnpm bench`; do not edit.",
    "",
    `- Day: ${day}`,
    `- Machine: ${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), ${Math.round(totalmem() / 2 ** 30)} GB`,
    `- Node ${process.versions.node}, PostgreSQL ${result.serverVersion}, both on this machine`,
    `- Each query ran ${result.runsPerQuery} times, one after the other over one connection, each time for a person drawn at random;`,
    "  a person has 50 items, scattered over the table. Times in milliseconds, taken in the client.",
    `- Goal: p99 under ${p99GoalMs} ms at every size: ${keepsGoal(result) ? "kept" : "NOT kept"}`,
    "",
    ...result.sizes.flatMap(sizeSection),
    "## `migrate` on an empty database",
    "",
    `All migrations, connecting included, in-process: median ${milliseconds(median(result.migrateMs))} ms, ` +
      `slowest ${milliseconds(slowest)} ms of ${result.migrateMs.length} runs.`,
    "",
  ].join("\n");
}

const sizeSection = ({ items, users, fillSeconds, timings }: SizeResult) => [
  `## ${items.toLocaleString("en")} items, ${users.toLocaleString("en")} users (filled in ${fillSeconds.toFixed(1)} s)`,
  "",
  "| query | median | p99 |",
  "|---|---:|---:|",
  ...timings.map(({ name, median, p99 }) => `| ${name} | ${milliseconds(median)} | ${milliseconds(p99)} |`),
  "",
];

const milliseconds = (value: number) => value.toFixed(2);

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
