import { withoutComments } from "../folder/statements.ts";
import type { Hazard } from "../review/hazards/hazard.ts";
import { showExamples } from "../review/preflight/words.ts";
import type { Finding } from "../review/preflight.ts";
import type { LockReview, StatementReview, Summary } from "../review/reviewed.ts";
import { count } from "./text.ts";

/** A file's plan in one line: `locks 2 tables, at worst ACCESS EXCLUSIVE for seconds; 1.2 million rows; 1 high hazard; 1 preflight failure`. */
export function showSummary(summary: Summary): string {
  const { tables, worstMode, held, rows, fails, loses } = summary;
  const worst = worstMode === null ? "" : `, at worst ${worstMode} ${showHeld(held)}`;
  const locks =
    tables === 0
      ? `keeps nobody out${worstMode === null ? "" : ` (${worstMode} at worst)`}`
      : `locks ${count(tables, "table")}${worst}`;
  return [
    locks,
    ...(rows === 0 ? [] : [`goes through ${showRows(rows)}`]),
    showHazards(summary),
    ...(fails === 0 ? [] : [count(fails, "preflight failure")]),
    ...(loses === 0 ? [] : [`loses data in ${count(loses, "place")}`]),
  ].join("; ");
}

function showHazards({ hazards }: Summary): string {
  const told = (["high", "medium", "low"] as const).flatMap((severity) =>
    hazards[severity] === 0 ? [] : [`${hazards[severity]} ${severity}`],
  );
  return told.length === 0 ? "no hazards" : `hazards: ${told.join(", ")}`;
}

/** `for seconds` */
export function showHeld(held: LockReview["held"]): string {
  if (held === "unknown") return "for as long as its size takes";
  return held === "instant" ? "for an instant" : `for ${held}`;
}

/** `ACCESS EXCLUSIVE on public.users for seconds: reads and writes wait; 1.2 million rows, 340 MB, written anew` */
export function showLock(lock: LockReview, { number }: Pick<StatementReview, "number">): string {
  const { object, mode, blocks, since, rewrites, scans, held, rows, bytes, kind } = lock;
  const size = [...(rows === null ? [] : [showRows(rows)]), ...(bytes === null ? [] : [showBytes(bytes)])];
  const work = rewrites ? ["written anew"] : scans ? ["gone through"] : [];
  const details = [...(rewrites || scans ? size : size.slice(0, 1)), ...work].join(", ");
  const name = kind === "table" ? object : `${kind} ${object}`;
  const from = since === number ? "" : `, since statement ${since}`;
  const waits = blocks === "nothing" ? "nobody waits" : `${blocks} wait`;
  return `${mode} on ${name} ${showHeld(held)}${from}: ${waits}${details === "" ? "" : `; ${details}`}`;
}

/** `fails: …` */
export function showFinding({ message, examples, dependsOn, sampled }: Finding): string {
  const aside = [
    ...(examples.length === 0 ? [] : [showExamples(examples)]),
    ...(dependsOn === undefined || message.includes(dependsOn) ? [] : [`depends on ${dependsOn}`]),
    ...(sampled && !/sample/.test(message) ? ["of a sample"] : []),
  ];
  return aside.length === 0 ? message : `${message} (${aside.join("; ")})`;
}

/** A hazard's words without its severity. */
export function showHazard({ id, message, effect, allowed }: Hazard): string {
  const accepted = allowed === undefined ? "" : ` (accepted: ${allowed})`;
  return `${id}: ${message}. ${effect}${accepted}`;
}

/** `1,203 rows`, `1.2 million rows` */
export function showRows(rows: number): string {
  if (rows >= 1_000_000) return `about ${(rows / 1_000_000).toFixed(1)} million rows`;
  return count(rows, "row").replace(/\d+/, (digits) => Number(digits).toLocaleString("en-US"));
}

/** `340 MB` */
export function showBytes(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"] as const;
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${Math.round(bytes / 1024 ** power)} ${units[power]}`;
}

/** A statement's first words, on one line, without the comments above it. */
export function shortSql(sql: string, most = 100): string {
  const text = withoutComments(sql).replaceAll(/\s+/g, " ").trim();
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

/** Whether a safer form is SQL, and not a sentence. */
export function isSql(safer: string): boolean {
  return safer.includes("\n") || /;\s*$/.test(safer);
}
