import type { Event, Listener } from "../events.ts";
import { noteColors as colors, type Output } from "./output.ts";
import { noteProblems } from "./problems.ts";
import { count, duration, shortPath } from "./text.ts";

/** Prints what a run tells while it runs. */
export function eventPrinter(output: Output): Listener {
  const sighting = sightingPrinter(output);
  return (event) => {
    if (event.type === "ran") output.line(lineOfRun(event));
    else if (event.type === "problems") noteProblems(output, event.problems);
    else if (event.type === "planned" && event.direction === "down") sayWillUndo(output, event);
    else if (event.type === "sighting") sighting(event);
    else output.note(colors.dim(noteOf(event)));
  };
}

/** What was measured beside what was planned: locks are held for no longer than the transaction is open. */
function lineOfRun({ tag, durationMs, expected }: Extract<Event, { type: "ran" }>): string {
  const took = `${tag}  ${duration(durationMs)}`;
  if (!expected?.held) return took;
  return `${took}  (locks held for at most that; the plan said ${expected.held})`;
}

function noteOf(event: Exclude<Event, { type: "ran" | "problems" | "sighting" }>): string {
  switch (event.type) {
    case "embedded":
      return `no database is configured: using the embedded PostgreSQL at ${event.url} (set DATABASE_URL to use your own)`;
    case "waiting":
      return `waiting for the migration lock, held by ${event.holder}`;
    case "warning":
      return `warning: ${event.message}`;
    case "starting":
      return `${event.tag}: ${event.expected.summary}`;
    case "saving":
      return `${event.tag}: saving ${event.what}`;
    case "restoring":
      return `${event.tag}: putting back ${event.what}`;
    case "saved":
      return `${event.tag}: saved ${count(event.rows, "row")} in ${shortPath(event.folder)}`;
    case "notice":
      return `${event.tag}: ${event.message}`;
    case "retrying":
      return `${event.tag}: ${event.reason}; trying again (attempt ${event.attempt + 1})${event.blockers ? `; in the way: ${event.blockers}` : ""}`;
    case "planned":
      return `applying ${count(event.tags.length, "migration")}`;
  }
}

/** Part of the result, and said first; with `--json` the document comes last, so it is said aside. */
function sayWillUndo(output: Output, { tags, loses = [] }: Extract<Event, { type: "planned" }>): void {
  if (tags.length === 0) return;
  const lines = [
    `will roll back, in this order: ${tags.join(", ")}`,
    ...loses.map(({ tag, what }) => `${tag} loses ${what}`),
  ];
  for (const text of lines) {
    if (output.json) output.note(text);
    else output.line(text);
  }
}

/** Says who blocks and how far an index is: on a terminal whenever it changes, elsewhere by phases and tens of percent. */
function sightingPrinter(output: Output): (event: Extract<Event, { type: "sighting" }>) => void {
  let last = "";
  return ({ tag, blockers, progress }) => {
    const text = blockers ? `waiting for ${blockers}` : progress;
    if (text === undefined) return;
    const key = process.stderr.isTTY ? text : text.replace(/ for \d+ s|\d(?=(\.\d+)? %)|\.\d+(?= %)/g, "");
    if (key === last) return;
    last = key;
    output.note(colors.dim(`${tag}: ${text}`));
  };
}
