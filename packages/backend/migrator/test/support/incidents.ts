import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createTestDatabase, type TestDatabase } from "@repo/test-database";
import postgres from "postgres";
import { readSettings } from "../../src/config.ts";
import { migrate, type SettingsInput } from "../../src/index.ts";
import { type Review, review } from "../../src/review/review.ts";
import { type CliResult, runCli } from "./cli.ts";
import { quoted, readTables } from "./database.ts";
import { type MigrationFiles, makeFolder, writeMigrations } from "./folder.ts";
import { NEXT_MIGRATION } from "./hazard-examples.ts";
import { until } from "./sessions.ts";

const INCIDENTS = fileURLToPath(new URL("../incidents/", import.meta.url));

/** The migration that went wrong, or what it should have been. */
export type Form = "pending" | "fixed";

/** A database as it was before the incident, with a folder in which its migration is pending. */
export interface Scene extends TestDatabase {
  readonly settings: SettingsInput & { readonly url: string };
  /** The plan, as the library gives it. */
  plan(): Promise<Review>;
  /** The same from the real command line. */
  cli(verb: string, ...flags: readonly string[]): Promise<CliResult>;
}

/** A file of an incident's folder. */
export function readIncident(incident: string, name: "base" | "data" | Form): string {
  return readFileSync(`${INCIDENTS}${incident}/${name}.sql`, "utf8");
}

/** Sets a scene: base.sql is applied, data.sql is there, and the form's migrations are pending. */
export async function setScene(incident: string, form: Form): Promise<Scene> {
  const database = await createTestDatabase();
  const base: MigrationFiles = { tag: "0000_base", sql: readIncident(incident, "base") };
  const folder = await makeFolder([base]);
  const settings = { migrations: folder, url: database.url };
  await migrate(settings);
  await load(database, readIncident(incident, "data"));
  const files = readIncident(incident, form)
    .split(NEXT_MIGRATION)
    .map((sql, index) => ({ tag: `000${index + 1}_${form}`, sql: sql.trimStart() }));
  await writeMigrations(folder, [base, ...files]);
  return {
    ...database,
    sql: database.sql,
    settings,
    plan: async () => review(await readSettings(settings)),
    cli: (verb, ...flags) => runCli([verb, "--migrations", folder, "--url", database.url, ...flags]),
  };
}

/** As a service leaves it: the session is over, so that its rows are counted once, and the server knows how many there are. */
async function load({ url, sql }: TestDatabase, data: string): Promise<void> {
  const session = postgres(url, { max: 1, onnotice: () => {} });
  const [own] = await session<{ pid: number }[]>`select pg_backend_pid() as pid`;
  await session.unsafe(data);
  await session.end();
  await until("the loader to be gone", async () => {
    const left = await sql`select from pg_stat_activity where pid = ${own?.pid ?? 0}`;
    return left.length === 0;
  });
  await sql`analyze`;
}

/** All rows of all tables in `public`, as JSON has them. */
export async function readRows(sql: TestDatabase["sql"]): Promise<Readonly<Record<string, unknown>>> {
  const tables = await readTables(sql);
  const rows = await Promise.all(
    tables.map((table) => sql.unsafe(`select to_jsonb(t) as row from ${quoted(table)} t order by 1`)),
  );
  return Object.fromEntries(tables.map((table, index) => [table, rows[index]]));
}
