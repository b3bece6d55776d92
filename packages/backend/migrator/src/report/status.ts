import Table from "cli-table3";
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
  const table = new Table({
    head: ["migration", "state", "applied at", "duration"],
    style: { head: [], border: [], compact: true },
    chars: PLAIN,
  });
  table.push(...status.migrations.map(rowOf));
  output.line(table.toString().replaceAll(/[ \t]+$/gm, ""));
  output.line(`\n${summaryOf(status)}; database ${status.database} at ${status.server}`);
  noteProblems(output, status.problems);
  output.document(status);
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
