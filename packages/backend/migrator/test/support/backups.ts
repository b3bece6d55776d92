import { readdir } from "node:fs/promises";
import { createTestDatabase, type TestDatabase } from "@repo/test-database";
import { expect } from "vitest";
import { type RestoreOptions, type RestoreResult, restore } from "../../src/apply/restore.ts";
import { readSettings } from "../../src/config.ts";
import { migrate, type RollbackResult, rollback } from "../../src/index.ts";
import { type MigrationFiles, makeFolder } from "./folder.ts";
import { temporaryFolder } from "./temporary.ts";

type Sql = TestDatabase["sql"];

/** A database with migrations applied, and a folder for backups. */
export interface Place {
  readonly database: TestDatabase;
  readonly sql: Sql;
  readonly backups: string;
  readonly input: { readonly migrations: string; readonly url: string; readonly backupFolder: string };
  /** Flags of the same. */
  readonly args: readonly string[];
}

export async function migratedPlace(files: readonly MigrationFiles[]): Promise<Place> {
  const database = await createTestDatabase();
  const place = await placeOf(database.url, files);
  return { ...place, database, sql: database.sql };
}

/** The same on any server. */
export async function placeOf(url: string, files: readonly MigrationFiles[]) {
  const backups = await temporaryFolder();
  const input = { migrations: await makeFolder(files), url, backupFolder: backups };
  await migrate(input);
  return { backups, input, args: ["--migrations", input.migrations, "--url", url] };
}

/** Rolls back with the rows saved. */
export function loseRows({ input }: Place, steps = 1): Promise<RollbackResult> {
  return rollback({ ...input, steps, allowDataLoss: true });
}

/** The same of one migration; gives its backup's folder. */
export async function saveAndDrop(place: Place): Promise<string> {
  const { backups } = await loseRows(place);
  expect(backups).toHaveLength(1);
  return backups[0]?.folder ?? "";
}

export async function putBack(
  { input }: Pick<Place, "input">,
  folder: string,
  options: RestoreOptions = {},
): Promise<RestoreResult> {
  return restore(await readSettings(input), folder, options);
}

/** Whole rows as PostgreSQL writes them. */
export async function readRows(sql: Sql, ...tables: readonly string[]): Promise<unknown> {
  const read = async (table: string) => {
    const rows = await sql.unsafe<{ row: string }[]>(`select t::text as row from ${table} t order by 1`);
    return [table, rows.map(({ row }) => row)] as const;
  };
  return Object.fromEntries(await Promise.all(tables.map(read)));
}

/** Rolls the last migration back, applies it again and restores: the rows of these tables are then as they were. */
export async function expectRoundTrip(place: Place, ...tables: readonly string[]): Promise<RestoreResult> {
  const before = await readRows(place.sql, ...tables);
  const folder = await saveAndDrop(place);
  await migrate(place.input);
  expect(await readRows(place.sql, ...tables)).not.toEqual(before);
  const result = await putBack(place, folder);
  expect(await readRows(place.sql, ...tables)).toEqual(before);
  return result;
}

/** What lies in the folder of backups, what was not finished included. */
export function leftIn({ backups }: Pick<Place, "backups">): Promise<string[]> {
  return readdir(backups);
}
