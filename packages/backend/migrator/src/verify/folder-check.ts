import { interruptible } from "../apply/interruptible.ts";
import { replay } from "../apply/replay.ts";
import { notReplayed } from "../apply/replayable.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { type CompareOptions, compareCatalogs, type Difference } from "../catalog/compare.ts";
import { readCatalog } from "../catalog/read.ts";
import type { Settings } from "../config.ts";
import { withUrl } from "../database/connect.ts";
import { serverWords } from "../database/failures.ts";
import { type Scratch, withScratch } from "../database/scratch.ts";
import { identifier } from "../database/sql-text.ts";
import { EXIT, MigratorError } from "../errors.ts";
import { rolesIn, withoutClusterWide } from "../folder/cluster-wide.ts";
import { sqlOfSchema, sqlOfSnapshot } from "../folder/fresh.ts";
import { type MigrationFolder, readFolder, type Script } from "../folder/read.ts";
import { planMigrations } from "../plan.ts";
import { errorsOf, type Problem } from "../problem.ts";
import { type IgnoredDifference, sift } from "./ignore.ts";

/** Whether a folder's SQL makes what its last snapshot and the Drizzle schema say. */
export interface FolderCheckResult {
  readonly folder: string;
  /** ISO 8601, UTC. */
  readonly checkedAt: string;
  /** What it was compared with: `its last snapshot`, `the Drizzle schema`. */
  readonly standards: readonly string[];
  readonly drift: readonly Difference[];
  readonly ignored: readonly IgnoredDifference[];
  readonly problems: readonly Problem[];
}

/** SQL that makes a database as it should be. */
interface Standard {
  readonly name: string;
  readonly statements: readonly string[];
}

/**
 * Replays the whole folder, and compares the outcome with what drizzle-kit would make of an empty database from the last
 * snapshot, and from the schema. What Drizzle's language cannot say (triggers, functions, comments, …) does not count.
 * @throws MigratorError `cannot-check`, `no-scratch`
 */
export async function checkFolder(
  settings: Settings,
  options: CompareOptions = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<FolderCheckResult> {
  const folder = await readFolder(settings.migrations);
  const { problems } = planMigrations(folder, [], {
    severities: settings.severities,
    strict: settings.strict,
    now: Date.now(),
  });
  assertWhole(folder, problems);
  const standards = await standardsOf(settings, folder);
  const target = settings.connection.kind === "url" ? settings.connection.url : undefined;
  const scripts = [...folder.migrations.flatMap(({ up }) => up ?? []), ...standards.map(scriptOf)];
  const compare = async (scratch: Scratch) => {
    await scratch.ensureRoles(await rolesIn(scripts));
    const url = await scratch.create();
    await replay(settings, url, folder.migrations, signal).catch((cause: unknown) => {
      throw notReplayed(cause);
    });
    const actual = await catalogOf(settings, url);
    const differences: Difference[] = [];
    for (const standard of standards) {
      const expected = await build(settings, scratch, standard, actual);
      for (const difference of await compareCatalogs(expected, actual, options)) {
        const said = inTheWordsOf(standard, difference);
        if (isDrizzles(said) && !differences.some(({ text }) => text === said.text)) differences.push(said);
      }
    }
    return differences;
  };
  const found = await interruptible("the check", signal, () =>
    withScratch(settings.scratch, target, compare),
  );
  return {
    folder: folder.path,
    checkedAt: new Date().toISOString(),
    standards: standards.map(({ name }) => name),
    ...sift(found, settings.ignore),
    problems,
  };
}

/** The schema and the snapshot, or one of them where there is no other or both say the same. */
async function standardsOf(
  settings: Settings,
  { migrations }: MigrationFolder,
): Promise<readonly Standard[]> {
  const last = migrations.at(-1);
  const snapshot = last?.snapshot === undefined ? undefined : await sqlOfSnapshot(settings, last.tag);
  const schema = await sqlOfSchema(settings);
  const same = snapshot !== undefined && schema !== undefined && sorted(snapshot) === sorted(schema);
  const standards = [
    ...(snapshot === undefined || same ? [] : [{ name: "its last snapshot", statements: snapshot }]),
    ...(schema === undefined
      ? []
      : [
          {
            name: same ? "its last snapshot and the Drizzle schema" : "the Drizzle schema",
            statements: schema,
          },
        ]),
  ];
  if (standards.length > 0) return standards;
  throw new MigratorError({
    code: "cannot-check",
    message:
      "there is nothing to compare the folder with: its last migration has no snapshot, and no Drizzle schema is configured",
    state: "nothing was changed",
    fix: "restore meta/*_snapshot.json from version control, or name the schema: --config <file> with `schema` or `drizzleConfig` in it",
    exitCode: EXIT.refused,
  });
}

/** drizzle-kit orders by its own maps, which differ between a file and a schema. */
function sorted(statements: readonly string[]): string {
  return JSON.stringify(statements.map((sql) => sql.trim()).sort());
}

async function build(
  settings: Settings,
  scratch: Scratch,
  standard: Standard,
  actual: Catalog,
): Promise<Catalog> {
  const url = await scratch.create();
  return withUrl(url, async (database) => {
    for (const sql of await localStatements(standard, actual)) {
      await database.sql.unsafe(sql).catch((cause: unknown) => {
        throw notBuilt(standard.name, sql, cause);
      });
    }
    return readCatalog(database, { ledger: settings.ledger });
  });
}

/** Extensions are no part of a Drizzle schema, though it may need them: they are taken from the migrations. */
async function localStatements(standard: Standard, actual: Catalog): Promise<readonly string[]> {
  const extensions = actual.objects
    .filter(({ id }) => id.kind === "extension")
    .map(({ id }) => `create extension if not exists ${identifier(String(id.name))} cascade`);
  return [...extensions, ...(await withoutClusterWide(scriptOf(standard))).statements.map(({ sql }) => sql)];
}

function scriptOf({ statements }: Standard): Script {
  return { fileName: "", hash: "", statements: statements.map((sql) => ({ sql, line: 1 })) };
}

async function catalogOf({ ledger }: Settings, url: string): Promise<Catalog> {
  return withUrl(url, (database) => readCatalog(database, { ledger }));
}

/** Kinds, as differences name them, that Drizzle's schema language can say. */
const DRIZZLE_KINDS = new Set([
  ...[
    "schema",
    "table",
    "column",
    "default",
    "index",
    "enum",
    "view",
    "materialized view",
    "sequence",
    "policy",
  ],
  ...["primary key", "unique constraint", "foreign key", "check"],
]);

function isDrizzles({ kind }: Difference): boolean {
  return DRIZZLE_KINDS.has(kind);
}

/** What is compared is the migrations; what they should say is the standard. */
function inTheWordsOf({ name }: Standard, difference: Difference): Difference {
  const verb = (plural: string) => (name.includes(" and ") ? plural : `${plural}s`);
  const text = difference.text
    .replace(/is not in the migrations$/, `is made by the migrations, but not in ${name}`)
    .replace(/ is missing$/, ` is in ${name}, but no migration makes it`)
    .replaceAll("the migrations say", `${name} ${verb("say")}`)
    .replaceAll("the migrations give none", `${name} ${verb("give")} none`);
  return { ...difference, text };
}

function assertWhole({ path }: MigrationFolder, problems: readonly Problem[]): void {
  const errors = errorsOf(problems);
  if (errors.length === 0) return;
  throw new MigratorError({
    code: "cannot-check",
    message: `the folder ${path} cannot be replayed`,
    details: errors.flatMap(({ message, fix }) => [message, `  fix: ${fix}`]),
    state: "nothing was changed",
    fix: "mend each as said above",
    exitCode: EXIT.refused,
  });
}

function notBuilt(name: string, sql: string, cause: unknown): MigratorError {
  return new MigratorError({
    code: "cannot-check",
    message: `${name} cannot be built on an empty database`,
    details: [
      ...serverWords(cause),
      "",
      ...sql
        .split("\n")
        .slice(0, 5)
        .map((line) => `| ${line}`),
    ],
    state: "nothing was changed; the scratch databases are removed",
    fix: "what it needs beside itself (a function in a default, say) is only made by hand-written SQL: without it nobody can build a database from the schema alone",
    exitCode: EXIT.refused,
    cause,
  });
}
