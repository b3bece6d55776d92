import { existsSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import * as z from "zod/mini";
import en from "zod/v4/locales/en.js";
import { configuredUrl, givenUrl, parseUrl } from "./connection-url.ts";
import { DIFFERENCE_KINDS } from "./difference-kinds.ts";
import { type Environment, findRepositoryRoot, LOOKED_IN, readEnvironment } from "./environment.ts";
import { MigratorError, messageOf } from "./errors.ts";
import { readLedgerName } from "./ledger-name.ts";
import { type Limits, type LimitsInput, namesOf, readLimits } from "./limits.ts";
import { PROBLEM_CODES, type SeverityChoices } from "./problem.ts";

// Without a language, it says "Invalid input" of everything.
z.config(en());

const ledgerSchema = z.strictObject({
  schema: z.optional(z.string()),
  table: z.optional(z.string()),
});

const ignoreSchema = z.strictObject({
  /** The object's name as the check prints it, `*` for any text: `audit.*`. */
  object: z.string().check(z.minLength(1)),
  /** The kind as the check prints it: `table`, `trigger`. */
  kind: z.optional(z.enum(DIFFERENCE_KINDS)),
  reason: z.string().check(z.minLength(1)),
});

/** Objects whose drift does not count. */
export type IgnoreRule = z.infer<typeof ignoreSchema>;

/** Name of the embedded server's database where the config names none. */
export const DEFAULT_EMBEDDED_DATABASE = "dev";

const configSchema = z.strictObject({
  /** Folder of the migrations, relative to the config file. */
  migrations: z.optional(z.string()),
  /** The Drizzle schema's entry file, for `generate`. */
  schema: z.optional(z.string()),
  /** drizzle-kit's config file, for `generate`; without it, drizzle-kit is told folder and schema. */
  drizzleConfig: z.optional(z.string()),
  /** Drizzle's ledger table, where it does not have its usual name. */
  ledger: z.optional(ledgerSchema),
  /** Severities of problems, by code, where they shall not be the usual ones. */
  severities: z.optional(z.partialRecord(z.enum(PROBLEM_CODES), z.enum(["error", "warning", "off"]))),
  /** Objects whose drift does not count, each with the reason. */
  ignore: z._default(z.array(ignoreSchema), []),
  /** How long a run waits and how often it tries; see --help for each. */
  lockWait: z.optional(z.string()),
  lockTimeout: z.optional(z.string()),
  concurrentLockTimeout: z.optional(z.string()),
  statementTimeout: z.optional(z.string()),
  retries: z.optional(z.int()),
  retryFor: z.optional(z.string()),
  /** Whether the command line makes a plan before each run that has something to apply; in production it does so anyway. */
  planFirst: z.optional(z.boolean()),
  /** Folder in which a rollback saves the rows that it drops, relative to the config file. */
  backups: z.optional(z.string().check(z.minLength(1))),
  /** A document with a section "Clean state", named where a database holds objects that no migration made. */
  runbook: z.optional(z.string()),
  /** Name of the local database that is used when no connection is configured. */
  embeddedDatabase: z._default(z.string().check(z.minLength(1)), DEFAULT_EMBEDDED_DATABASE),
});

/** What `migrator.config.js` may hold. */
export type MigratorConfig = z.input<typeof configSchema>;

/** Drizzle's ledger table. */
export interface LedgerName {
  readonly schema: string;
  readonly table: string;
}

/** Where the local database of a repository lives, and what it is called. */
export interface EmbeddedSettings {
  /** The repository's folder; the cluster goes below it, in `.postgres/`. */
  readonly root: string;
  readonly database: string;
}

/** Where the database is: a URL, or the embedded server of this repository. */
export type Connection =
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "embedded"; readonly embedded: EmbeddedSettings };

/** What is on disk: enough for verbs that need no database. */
export interface FolderSettings {
  /** Absolute path of the migrations folder. */
  readonly migrations: string;
  /** Absolute path of the Drizzle schema's entry file, where configured. */
  readonly schemaFile: string | undefined;
  /** Absolute path of drizzle-kit's config, where configured. */
  readonly drizzleConfigFile: string | undefined;
}

/** Parsed settings; everything below the commands gets these and nothing else. */
export interface Settings extends FolderSettings {
  readonly connection: Connection;
  readonly ledger: LedgerName;
  readonly limits: Limits;
  /** Where throw-away databases may be made. */
  readonly scratch: ScratchSettings;
  readonly ignore: readonly IgnoreRule[];
  readonly severities: SeverityChoices;
  /** Whether warnings stop a run as errors do. */
  readonly strict: boolean;
  /** Whether `NODE_ENV` is `production`. */
  readonly production: boolean;
  /** Whether `migrate` on the command line makes a plan first, and refuses where the data does not fit. */
  readonly planFirst: boolean;
  /** Whether `CI` is set: down files that nobody has finished are then refused. */
  readonly ci: boolean;
  /** Absolute path of the folder in which a rollback saves the rows that it drops. */
  readonly backupFolder: string;
  /** The project's runbook as messages name it, relative to the repository's root. */
  readonly runbookFile: string | undefined;
}

/** What a caller may say; the rest comes from the config file and the environment. */
export interface SettingsInput {
  /** Path of `migrator.config.js`; without it, one in the current folder is taken if there is one. */
  readonly config?: string | undefined;
  readonly migrations?: string | undefined;
  readonly url?: string | undefined;
  /** The Drizzle schema's entry file. */
  readonly schema?: string | undefined;
  /** drizzle-kit's config file. */
  readonly drizzleConfig?: string | undefined;
  readonly ledger?: { readonly [key in keyof LedgerName]?: string | undefined } | undefined;
  readonly limits?: LimitsInput | undefined;
  readonly strict?: boolean | undefined;
  /** In which a rollback saves the rows that it drops; `backups` in the current folder unless set. */
  readonly backupFolder?: string | undefined;
}

/** Names of what a caller may say. */
export const INPUT_KEYS = namesOf<SettingsInput>({
  config: true,
  migrations: true,
  url: true,
  schema: true,
  drizzleConfig: true,
  ledger: true,
  limits: true,
  strict: true,
  backupFolder: true,
});

/** Settings of a verb that needs a migrations folder and a database. */
export async function readSettings(input: SettingsInput): Promise<Settings> {
  const context = await readContext(input.config);
  const { config, file, folder, root, environment } = context;
  return {
    ...folderSettingsOf(context, input),
    connection: connectionOf(context, input),
    ledger: readLedgerName(input.ledger ?? {}, config.ledger ?? {}, file),
    limits: readLimits(input.limits ?? {}, environment, config, file),
    scratch: scratchOf(context),
    ignore: config.ignore,
    severities: config.severities ?? {},
    strict: input.strict ?? false,
    production: isProduction(environment),
    planFirst: isProduction(environment) || config.planFirst === true,
    ci: !["", "0", "false", undefined].includes(environment.get("CI")),
    backupFolder: backupFolderOf(context, input),
    runbookFile: config.runbook && relative(root, resolve(folder, config.runbook)),
  };
}

/** Where throw-away databases may be made. */
export interface ScratchSettings {
  /** `SCRATCH_DATABASE_URL`: a server whose role may create databases. */
  readonly url: string | undefined;
  /** The last resort; undefined in production. */
  readonly embedded: EmbeddedSettings | undefined;
}

function scratchOf({ environment, root, config }: Context): ScratchSettings {
  const url = environment.get("SCRATCH_DATABASE_URL") || undefined;
  return {
    url: url && parseUrl(url, "SCRATCH_DATABASE_URL").href,
    embedded: isProduction(environment) ? undefined : { root, database: config.embeddedDatabase },
  };
}

/** Settings of a verb that works on files alone. */
export async function readFolderSettings(input: SettingsInput): Promise<FolderSettings> {
  return folderSettingsOf(await readContext(input.config), input);
}

/** Which database is meant, for verbs that need no migrations folder. */
export async function readConnection(
  input: SettingsInput,
): Promise<{ readonly connection: Connection; readonly production: boolean }> {
  const context = await readContext(input.config);
  return { connection: connectionOf(context, input), production: isProduction(context.environment) };
}

/**
 * Where the embedded database of this project lives, whatever else is configured.
 * @throws MigratorError in production
 */
export async function readEmbedded(input: SettingsInput): Promise<EmbeddedSettings> {
  const { root, config, environment } = await readContext(input.config);
  if (isProduction(environment)) throw noDatabase();
  return { root, database: config.embeddedDatabase };
}

/** The config file, where it lies, and the environment that goes with its repository. */
interface Context {
  readonly config: z.output<typeof configSchema>;
  /** Absolute path, also where there is none. */
  readonly file: string;
  readonly folder: string;
  readonly root: string;
  readonly environment: Environment;
}

async function readContext(configPath: string | undefined): Promise<Context> {
  const { config, file, folder } = await readConfig(configPath);
  const root = findRepositoryRoot(folder);
  return { config, file, folder, root, environment: readEnvironment(root) };
}

function folderSettingsOf({ config, file, folder }: Context, input: SettingsInput): FolderSettings {
  const migrations = pathOf(input.migrations, config.migrations, folder);
  if (migrations === undefined) throw noFolder(file);
  return {
    migrations,
    schemaFile: pathOf(input.schema, config.schema, folder),
    drizzleConfigFile: pathOf(input.drizzleConfig, config.drizzleConfig, folder),
  };
}

/** A flag counts from the current folder, a line in the config file from that file's folder. */
function pathOf(
  flag: string | undefined,
  configured: string | undefined,
  folder: string,
): string | undefined {
  if (flag !== undefined) return resolve(flag);
  return configured === undefined ? undefined : resolve(folder, configured);
}

function backupFolderOf({ config, folder, environment }: Context, input: SettingsInput): string {
  const given = input.backupFolder ?? (environment.get("MIGRATOR_BACKUPS") || undefined);
  return pathOf(given, config.backups, folder) ?? resolve("backups");
}

function connectionOf({ config, root, environment }: Context, input: SettingsInput): Connection {
  const url = input.url === undefined ? configuredUrl(environment) : givenUrl(input.url, environment);
  if (url !== undefined) return { kind: "url", url };
  if (isProduction(environment)) throw noDatabase();
  return { kind: "embedded", embedded: { root, database: config.embeddedDatabase } };
}

function isProduction(environment: Environment): boolean {
  return environment.get("NODE_ENV") === "production";
}

function noDatabase(): MigratorError {
  return new MigratorError({
    code: "setting-missing",
    message: "no database is configured, and NODE_ENV is production",
    details: [`looked for DATABASE_URL and POSTGRES_* in ${LOOKED_IN}`],
    state: "nothing was done",
    fix: "set DATABASE_URL, or pass --url; the embedded server is never used in production",
  });
}

async function readConfig(path: string | undefined) {
  const file = resolve(path ?? "migrator.config.js");
  if (path === undefined && !existsSync(file))
    return { config: configSchema.parse({}), file, folder: process.cwd() };
  const loaded: unknown = await import(pathToFileURL(file).href).then(
    (module: { default?: unknown }) => module.default,
    (cause: unknown) => {
      throw configBroken(file, messageOf(cause), cause);
    },
  );
  const parsed = configSchema.safeParse(loaded);
  if (!parsed.success) throw configBroken(file, z.prettifyError(parsed.error), parsed.error);
  return { config: parsed.data, file, folder: dirname(file) };
}

function configBroken(file: string, reason: string, cause: unknown): MigratorError {
  return new MigratorError({
    code: "config-broken",
    message: existsSync(file) ? `${file} cannot be used` : `there is no config file ${file}`,
    details: existsSync(file) ? reason.split("\n") : [],
    state: "nothing was done",
    fix: existsSync(file)
      ? 'it must default-export an object, e.g. export default { migrations: "./drizzle" }'
      : "check the path; it counts from the folder that the command runs in",
    cause,
  });
}

function noFolder(file: string): MigratorError {
  const there = existsSync(file);
  return new MigratorError({
    code: "setting-missing",
    message: `which migrations folder? none was named, and ${there ? `${file} names none` : "there is no migrator.config.js here"}`,
    state: "nothing was done",
    fix: there
      ? `set "migrations" in ${file}, or pass --migrations <folder>`
      : "pass --migrations <folder>, or --config <migrator.config.js>",
  });
}
