import type { Event, Listener } from "../events.ts";
import { noteColors as colors, type Output } from "./output.ts";
import { noteProblems } from "./problems.ts";
import { count, duration } from "./text.ts";

/** Prints what a run tells while it runs. */
export function eventPrinter(output: Output): Listener {
  return (event) => {
    if (event.type === "ran") output.line(`${event.tag}  ${duration(event.durationMs)}`);
    else if (event.type === "problems") noteProblems(output, event.problems);
    else if (event.type === "planned" && event.direction === "down") output.line(willUndo(event.tags));
    else output.note(colors.dim(noteOf(event)));
  };
}

function noteOf(event: Exclude<Event, { type: "ran" | "problems" }>): string {
  switch (event.type) {
    case "embedded":
      return `no database is configured: using the embedded PostgreSQL at ${event.url} (set DATABASE_URL to use your own)`;
    case "waiting":
      return `waiting for the migration lock, held by ${event.holder}`;
    case "warning":
      return `warning: ${event.message}`;
    case "notice":
      return `${event.tag}: ${event.message}`;
    case "planned":
      return `applying ${count(event.tags.length, "migration")}`;
  }
}

function willUndo(tags: readonly string[]): string {
  return tags.length === 0 ? "nothing to roll back" : `will roll back, in this order: ${tags.join(", ")}`;
}
