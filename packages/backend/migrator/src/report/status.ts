import Table from "cli-table3";
import type { RunRow } from "../database/run-log-rows.ts";
import type { MigrationState } from "../plan.ts";
import type { Status, StatusMigration } from "../status.ts";
import { lineColors as colors, type Output } from "./output.ts";
import { noteProblems } from "./problems.ts";
import { duration, instant } from "./text.ts";

const PAINT: Readonly<Record<MigrationState, (text: string) => string>> = {
  applied: colors.green,
  pending: colors.yellow,
  edited: colors.red,
  missing: colors.red,
  unknown: colors.magenta,
};

/** A table of all migrations, then counts, then problems with their fixes. */
export function reportStatus(output: Output, status: Status): void {
  output.line(tableOf(["migration", "state", "applied at", "duration"], status.migrations.map(rowOf)));
  output.line(`\n${summaryOf(status)}; database ${status.database} at ${status.server}`);
  if (status.runs !== undefined) output.line(`\n${tableOf(RUN_HEAD, status.runs.map(runRowOf))}`);
  noteProblems(output, status.problems);
  output.document(status);
}

const RUN_HEAD = ["run", "migration", "direction", "outcome", "started at", "duration", "retries", "by"];

function runRowOf(run: RunRow): string[] {
  const outcome = run.error === null ? run.outcome : `${run.outcome}: ${run.error}`;
  const by = `${run.role} on ${run.host} (pid ${run.pid}, ${run.version})`;
  return [
    String(run.id),
    run.tag,
    run.direction,
    outcome,
    instant(run.startedAt),
    duration(run.durationMs),
    String(run.retries),
    by,
  ];
}

function tableOf(head: string[], rows: string[][]): string {
  const table = new Table({ head, style: { head: [], border: [], compact: true }, chars: PLAIN });
  table.push(...rows);
  return table.toString().replaceAll(/[ \t]+$/gm, "");
}

function rowOf({ tag, hash, state, appliedAt, durationMs }: StatusMigration): string[] {
  const name = tag ?? `(no file) ${hash?.slice(0, 8) ?? ""}`;
  return [
    name,
    PAINT[state](state),
    appliedAt ? instant(appliedAt) : "",
    durationMs === null ? "" : duration(durationMs),
  ];
}

function summaryOf({ migrations }: Status): string {
  const states = [...new Set(migrations.map((migration) => migration.state))];
  const counts = states.map(
    (state) => `${migrations.filter((migration) => migration.state === state).length} ${state}`,
  );
  return counts.length === 0 ? "no migrations" : counts.join(", ");
}

/** Columns without lines: easy to read, to copy and to grep. */
const PLAIN = Object.fromEntries(
  [
    "top",
    "top-mid",
    "top-left",
    "top-right",
    "bottom",
    "bottom-mid",
    "bottom-left",
    "bottom-right",
    "left",
    "left-mid",
  ]
    .concat(["mid", "mid-mid", "right", "right-mid", "middle"])
    .map((edge) => [edge, ""]),
);
