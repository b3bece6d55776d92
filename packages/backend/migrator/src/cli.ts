import { Command, CommanderError } from "commander";
import type { Verb } from "./commands/shared.ts";
import { codeOf } from "./database/failures.ts";
import { EXIT, MigratorError } from "./errors.ts";
import { printFailure } from "./report/failure.ts";
import { createOutput, type Output } from "./report/output.ts";
import { redact } from "./report/redact.ts";
import { keepSecretOf, keptSecrets } from "./secrets.ts";
import { VERSION } from "./version.ts";

/** Loaded one at a time: `migrate` does not wait for what `generate` needs. */
const VERBS: Readonly<Record<string, () => Promise<{ readonly verb: Verb }>>> = {
  generate: () => import("./commands/generate.ts"),
  migrate: () => import("./commands/migrate.ts"),
  rollback: () => import("./commands/rollback.ts"),
  restore: () => import("./commands/restore.ts"),
  status: () => import("./commands/status.ts"),
  plan: () => import("./commands/plan.ts"),
  lint: () => import("./commands/lint.ts"),
  check: () => import("./commands/check.ts"),
  prove: () => import("./commands/prove.ts"),
  downs: () => import("./commands/downs.ts"),
  baseline: () => import("./commands/baseline.ts"),
  repair: () => import("./commands/repair.ts"),
  "v1-check": () => import("./commands/v1-check.ts"),
  dev: () => import("./commands/dev.ts"),
  reset: () => import("./commands/reset.ts"),
};

/** Verbs whose exit code 1 is an answer, which a failure must not be taken for: they could not check. */
const ANSWERING: ReadonlySet<string> = new Set(["check", "prove", "downs", "plan", "lint"]);

/**
 * Runs the command line. All errors of all verbs end here, cleaned of passwords.
 * @returns its exit code; undefined where nothing was done, and the bundle with all verbs is needed for it
 */
export async function main(args: readonly string[]): Promise<number | undefined> {
  for (const text of [...args, ...args.map(textAfterEquals)]) keepSecretOf(text);
  for (const stream of [process.stdout, process.stderr]) stream.on("error", ignoreClosedPipe);
  const output = createOutput(args.includes("--json"), (text) => redact(text, keptSecrets()));
  const failed = ANSWERING.has(verbIn(args) ?? "") ? EXIT.refused : EXIT.found;
  try {
    return await runVerb(args, output, interruptSignal(output, failed));
  } catch (error) {
    if (error instanceof CommanderError) return usage(error, output);
    if (codeOf(error) === "WHOLE_BUNDLE") {
      // The other bundle listens itself.
      for (const name of SIGNALS) process.removeAllListeners(name);
      return undefined;
    }
    printFailure(output, error);
    return error instanceof MigratorError ? Math.max(failed, error.exitCode) : failed;
  }
}

function verbIn(args: readonly string[]): string | undefined {
  return args.find((arg) => !arg.startsWith("-"));
}

/** `migrator migrate | head` closes the pipe early: nobody listens any more, but the work goes on. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
}

async function runVerb(args: readonly string[], output: Output, signal: AbortSignal): Promise<number> {
  const wanted = verbIn(args);
  const load = wanted === undefined ? undefined : VERBS[wanted];
  // Only help, version and mistakes need to know all verbs.
  const verbs = load ? [load] : Object.values(VERBS);
  const program = createProgram(output);
  let exitCode: number = EXIT.done;
  for (const { verb } of await Promise.all(verbs.map((one) => one()))) {
    const command = program.command(verb.name).description(verb.summary);
    verb.configure(command);
    command.action(async () => {
      exitCode = await verb.run(command.opts(), output, signal, command.args);
    });
  }
  await program.parseAsync(args, { from: "user" });
  return exitCode;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Ctrl-C and SIGTERM end a run in order: what runs is cancelled and rolled back. A second one ends it at once. */
function interruptSignal(output: Output, exitCode: number): AbortSignal {
  const controller = new AbortController();
  for (const name of SIGNALS) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(exitCode);
      output.note(`${name}: stopping; once more stops at once`);
      controller.abort(new Error(name));
    });
  }
  return controller.signal;
}

function createProgram(output: Output): Command {
  return new Command("migrator")
    .description("Applies, checks, rolls back and explains PostgreSQL migrations of any Drizzle folder.")
    .version(VERSION)
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({ writeErr: (text) => output.note(text.trimEnd()) })
    .addHelpText(
      "after",
      "\nExit codes: 0 done and clean, 1 failed or found something, 2 refused or wrong usage or settings.",
    );
}

/** commander has printed what was wrong. */
function usage(error: CommanderError, output: Output): number {
  if (error.exitCode === 0) return EXIT.done;
  if (error.code !== "commander.help")
    output.note("nothing was done; `migrator --help` and `migrator <verb> --help` list what there is");
  const message = error.message.replace(/^error: /, "");
  output.document({
    error: { code: "wrong-usage", message, details: [], state: "nothing was done", fix: "migrator --help" },
  });
  return EXIT.refused;
}

/** `x` of `--url=x` */
function textAfterEquals(arg: string): string {
  return arg.slice(arg.indexOf("=") + 1);
}
