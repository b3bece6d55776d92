import type { Command } from "commander";
import type { Settings, SettingsInput } from "../config.ts";
import { MigratorError } from "../errors.ts";
import { checkName } from "../ledger-name.ts";
import { checkLimit, LIMITS } from "../limits.ts";
import type { Output } from "../report/output.ts";

/** A verb: its flags on the command line, and what it does. Returns the exit code. */
export interface Verb {
  readonly name: string;
  readonly summary: string;
  configure(command: Command): void;
  /**
   * @param signal aborted when a person or the system wants the run to end
   * @param operands what stands on the command line without a flag
   */
  run(
    flags: Readonly<Record<string, unknown>>,
    output: Output,
    signal: AbortSignal,
    operands: readonly string[],
  ): Promise<number>;
}

/** Flags that say which project and database are meant. */
export function addTargetFlags(command: Command): void {
  addProjectFlags(command);
  addUrlFlag(command);
  addLedgerFlags(command);
}

/** Flags of verbs that work on a folder, on scratch databases. */
export function addScratchFlags(command: Command): void {
  addProjectFlags(command);
  command.option(
    "--url <url>",
    "a server for scratch databases; instead of SCRATCH_DATABASE_URL or the embedded one",
  );
  addLedgerFlags(command);
}

function addLedgerFlags(command: Command): void {
  addLedgerFlag(command, "--ledger-schema", 'schema of Drizzle\'s ledger table (default "drizzle")');
  addLedgerFlag(
    command,
    "--ledger-table",
    'name of Drizzle\'s ledger table (default "__drizzle_migrations")',
  );
}

export function addUrlFlag(command: Command): void {
  command.option("--url <url>", "PostgreSQL URL; instead of DATABASE_URL or the POSTGRES_* settings");
}

function addLedgerFlag(command: Command, flag: string, summary: string): void {
  command.option(`${flag} <name>`, summary, (value) => checkName(flag, value));
}

export function addStrictFlag(command: Command): void {
  command.option("--strict", "take warnings for errors (for CI)");
}

/** How long to wait for what. @param except flags that mean nothing to the verb */
export function addLimitFlags(command: Command, except: readonly string[] = []): void {
  for (const { flag, usual, summary } of LIMITS.filter((limit) => !except.includes(limit.flag))) {
    command.option(
      `${flag} <${flag === "--retries" ? "n" : "duration"}>`,
      `${summary} (default ${usual})`,
      (value) => checkLimit(flag, value),
    );
  }
}

/** Flags of verbs that work on a folder. */
export function addProjectFlags(command: Command): void {
  addConfigFlags(command);
  command.option("--migrations <folder>", "Drizzle migrations folder, the one that holds meta/_journal.json");
}

/** Flags of every verb. */
export function addConfigFlags(command: Command): void {
  command
    .option("--config <file>", "migrator.config.js to use (default: the one in this folder, if any)")
    .option("--json", "print one JSON document on stdout instead of text");
}

/** Flags as settings; commander has made sure that what is there is text. */
export function settingsFrom(flags: Readonly<Record<string, unknown>>): SettingsInput {
  return {
    config: text(flags.config),
    migrations: text(flags.migrations),
    url: text(flags.url),
    schema: text(flags.schema),
    drizzleConfig: text(flags.drizzleConfig),
    ledger: { schema: text(flags.ledgerSchema), table: text(flags.ledgerTable) },
    strict: flags.strict === true,
    backupFolder: text(flags.backupFolder),
    limits: Object.fromEntries(LIMITS.map(({ key }) => [key, flags[key]])),
  };
}

/** Where scratch databases are made if not where the settings say: on the server of `--url`, where one is given. */
export function scratchTarget(
  flags: Readonly<Record<string, unknown>>,
  { connection }: Settings,
): string | undefined {
  return text(flags.url) === undefined || connection.kind !== "url" ? undefined : connection.url;
}

export function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Parses a whole number of at least `least`. @throws MigratorError `wrong-usage` */
export function wholeNumber(flag: string, least: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (/^\d+$/.test(value) && number >= least && Number.isSafeInteger(number)) return number;
    throw new MigratorError({
      code: "wrong-usage",
      message: `${flag} takes a whole number of at least ${least}, not ${JSON.stringify(value)}`,
      state: "nothing was done",
      fix: `for example: ${flag} ${Math.max(least, 1)}`,
    });
  };
}
