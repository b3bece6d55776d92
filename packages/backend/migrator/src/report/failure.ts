import { MigratorError, messageOf } from "../errors.ts";
import { noteColors as colors, type Output } from "./output.ts";

/** Prints why a verb ended: its code, what happened, to what, how the database stands, and the fix. */
export function printFailure(output: Output, error: unknown): void {
  if (!(error instanceof MigratorError)) {
    output.note(
      `${colors.red("error")}: ${messageOf(error)} (this is a defect of the migrator; please report it)`,
    );
    if (error instanceof Error && error.stack)
      output.note(colors.dim(error.stack.split("\n").slice(1).join("\n")));
    output.document({
      error: { code: "defect", message: messageOf(error), details: [], state: null, fix: null },
    });
    return;
  }
  const { code, message, details, state, fix } = error;
  output.note(`${colors.red("error")} ${code}: ${message}`);
  for (const line of details) output.note(`  ${line}`.trimEnd());
  if (state !== undefined) output.note(`${colors.bold("state")}: ${state}`);
  if (fix !== undefined) output.note(`${colors.bold("fix")}: ${fix}`);
  output.document({ error: { code, message, details, state: state ?? null, fix: fix ?? null } });
}
