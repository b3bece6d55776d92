import type { Difference } from "../catalog/compare.ts";

/**
 * A difference, and below it what puts it right, with a mark above that where it loses data or disturbs others.
 * @param paint for the mark
 */
export function linesOf(
  { text, remedy }: Difference,
  paint: (mark: string) => string = (mark) => mark,
): readonly string[] {
  const marks = [
    ...(remedy.losesData ? ["loses data"] : []),
    ...(remedy.safe ? [] : ["stops others while it runs, or rewrites the table"]),
  ];
  if (remedy.sql.length === 0) return [text, `  no remedy: ${remedy.reason ?? "none is known"}`];
  const head = marks.length === 0 ? [] : [paint(`  -- ${marks.join("; ")}`)];
  return [text, ...head, ...remedy.sql.flatMap((sql) => `${sql};`.split("\n").map((line) => `  ${line}`))];
}
