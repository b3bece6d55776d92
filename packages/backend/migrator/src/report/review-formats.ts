import { relative, sep } from "node:path";
import { findRepositoryRoot } from "../environment.ts";
import { EXIT, MigratorError } from "../errors.ts";
import { documentOf } from "../review/plan-file.ts";
import type { Review } from "../review/review.ts";
import type { MigrationReview } from "../review/reviewed.ts";
import type { Verdict } from "../review/verdict.ts";
import { annotation } from "./github.ts";
import type { Output } from "./output.ts";
import { noteProblems } from "./problems.ts";
import { remarksOf } from "./remarks.ts";
import { reportMigrations, reportReview } from "./review.ts";
import { markdownOf } from "./review-markdown.ts";
import { sarifOf } from "./sarif.ts";

/** Flags that choose another form, beside `--json`. */
export const FORMATS = {
  github: "also print annotations for GitHub Actions, on the right file and line",
  sarif: "print SARIF 2.1.0 instead of text, for code scanning",
  markdown: "print Markdown instead of text, for a pull request's comment",
} as const;

export type Format = keyof typeof FORMATS;

/** How a result is to be printed. */
export interface Form {
  readonly verdict: Verdict;
  readonly formats: readonly Format[];
  /** Absolute path of the migrations. */
  readonly folder: string;
}

/** @throws MigratorError `wrong-usage` where two forms want stdout; before anything is done */
export function assertOneForm(formats: readonly Format[], json: boolean): void {
  const whole = [...formats.filter((format) => format !== "github"), ...(json ? ["json"] : [])];
  if (whole.length < 2) return;
  throw new MigratorError({
    code: "wrong-usage",
    message: `${whole.map((format) => `--${format}`).join(" and ")} both want standard output`,
    state: "nothing was done",
    fix: "give one of them",
    exitCode: EXIT.refused,
  });
}

/** A plan with a database. */
export function printReview(output: Output, review: Review, form: Form): void {
  noteProblems(output, review.problems);
  const title = `Plan for database ${review.database}`;
  print(output, review.migrations, form, title, () => reportReview(output, review, form.verdict));
  output.document(documentOf(review));
}

/** What is to be said of a folder without one. */
export function printLint(
  output: Output,
  result: { readonly migrations: readonly MigrationReview[]; readonly base: string },
  form: Form,
): void {
  const { migrations, base } = result;
  print(output, migrations, form, `Migrations new since ${base}`, () => {
    output.line(`${migrations.length} new since ${base}`);
    reportMigrations(output, migrations);
    output.line(`\n${form.verdict.words}`);
  });
  output.document(result);
}

function print(
  output: Output,
  migrations: readonly MigrationReview[],
  { formats, folder, verdict }: Form,
  title: string,
  asText: () => void,
): void {
  const remarks = remarksOf(
    migrations,
    relative(findRepositoryRoot(process.cwd()), folder).split(sep).join("/"),
  );
  if (formats.includes("sarif")) output.line(JSON.stringify(sarifOf(remarks), null, 2));
  else if (formats.includes("markdown")) output.line(markdownOf(title, migrations, verdict));
  else asText();
  if (!formats.includes("github")) return;
  for (const { id, level, message, place } of remarks) {
    const text = annotation(level === "note" ? "notice" : level, id, message, place);
    // Commands to the runner of the job, which reads stdout; a document has that for itself.
    if (output.json || formats.length > 1) output.note(text);
    else output.line(text);
  }
}
