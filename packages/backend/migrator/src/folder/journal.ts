import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod/mini";
import { MigratorError, messageOf } from "../errors.ts";

const journalSchema = z.looseObject({
  version: z.string(),
  // "pg" where an old drizzle-kit began the journal: no later one changes that, not even `drizzle-kit up`.
  dialect: z.enum(["postgresql", "pg"]),
  entries: z.array(
    // Loose: whoever writes the journal back keeps what else an entry has.
    z.looseObject({
      idx: z.int(),
      when: z.int(),
      tag: z.string().check(z.minLength(1)),
      breakpoints: z.boolean(),
    }),
  ),
});

/** Journal of a folder, in Drizzle's form. */
export type Journal = z.infer<typeof journalSchema>;

export function journalPath(folder: string): string {
  return join(folder, "meta", "_journal.json");
}

/** @param names of what lies in the folder. @throws MigratorError `journal-missing`, `journal-broken` */
export async function readJournal(folder: string, names: ReadonlySet<string>): Promise<Journal> {
  const file = journalPath(folder);
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw journalMissing(file, names, cause);
  });
  return parseJournal(file, text);
}

/** @throws MigratorError `journal-broken` */
export function parseJournal(file: string, text: string): Journal {
  let value: unknown;
  try {
    value = JSON.parse(withoutMark(text));
  } catch (cause) {
    throw journalBroken(file, `not JSON: ${messageOf(cause)}`, cause);
  }
  const parsed = journalSchema.safeParse(value);
  if (parsed.success) return withoutTwins(file, parsed.data);
  const reasons = parsed.error.issues.map(
    (issue) => `${issue.path.join(".") || "the whole file"}: ${issue.message}`,
  );
  throw journalBroken(file, reasons.join("; "), parsed.error);
}

/** A merge that kept both sides' entry of one file would have it run twice. */
function withoutTwins(file: string, journal: Journal): Journal {
  const tags = journal.entries.map(({ tag }) => tag);
  const [twin] = tags.filter((tag, index) => tags.indexOf(tag) !== index);
  if (twin === undefined) return journal;
  throw new MigratorError({
    code: "journal-broken",
    message: `${file} names ${twin} more than once`,
    details: ["each entry would run the file again"],
    state: "nothing was applied",
    fix: "take all but the first of these entries out (a merge that kept both sides is the usual reason)",
  });
}

/** Without the byte order mark that some editors write, and that JSON does not know. */
function withoutMark(text: string): string {
  return text.replace(/^\uFEFF/, "");
}

function journalBroken(file: string, reason: string, cause: unknown): MigratorError {
  return new MigratorError({
    code: "journal-broken",
    message: `${file} is not a Drizzle journal`,
    details: [reason],
    state: "nothing was applied",
    fix: "restore the file from version control (a merge conflict left in it is the usual reason)",
    cause,
  });
}

function journalMissing(file: string, names: ReadonlySet<string>, cause: unknown): MigratorError {
  const known = [...names].some(isUpFile) ? " although SQL files lie beside it" : "";
  return new MigratorError({
    code: "journal-missing",
    message: `there is no journal at ${file}${known}`,
    state: "nothing was applied",
    fix: "name a folder made by drizzle-kit (--migrations <folder>), or make the first migration with `migrator generate`",
    cause,
  });
}

/** Whether a file in the folder is one that the journal should name. */
export function isUpFile(name: string): boolean {
  return name.endsWith(".sql") && !name.endsWith(".down.sql");
}
