import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { messageOf } from "../errors.ts";
import { downText } from "./down-text.ts";
import { snapshotPath } from "./read.ts";
import { type Snapshot, type SnapshotTable, undoRenames } from "./renames.ts";

/** The functions of `drizzle-kit/api` that are used. */
export interface DrizzleKitApi {
  generateDrizzleJson(schema: object): Snapshot;
  generateMigration(from: Snapshot, to: Snapshot): Promise<string[]>;
}

/** A down as statements, or why there are none. */
export interface SnapshotDraft {
  readonly statements: readonly string[];
  readonly reason: string | undefined;
}

/** Text of a down file for a migration, drafted from its snapshot and the one before it, swapped. */
export async function draftDown(
  folder: string,
  projectFolder: string,
  tag: string,
  previousTag: string | undefined,
): Promise<string> {
  return downText(tag, await draftFromSnapshots(folder, projectFolder, tag, previousTag));
}

/** What drizzle-kit would run to come from a migration's snapshot to the one before it. */
export async function draftFromSnapshots(
  folder: string,
  projectFolder: string,
  tag: string,
  previousTag: string | undefined,
): Promise<SnapshotDraft> {
  try {
    const api = await loadDrizzleKitApi(projectFolder);
    const after = await readSnapshot(folder, tag);
    const before =
      previousTag === undefined ? api.generateDrizzleJson({}) : await readSnapshot(folder, previousTag);
    const renamed = undoRenames(await readFile(join(folder, `${tag}.sql`), "utf8"), after);
    const drafted = await withoutPrompts(() => api.generateMigration(renamed.snapshot, before));
    const statements = rolesLast([...renamed.statements, ...dropWithoutCascade(drafted, after)]);
    const none = `the snapshots do not show what ${tag}.sql changes; undo it by hand`;
    return { statements, reason: statements.length === 0 ? none : undefined };
  } catch (error) {
    const reason = `drizzle-kit could not draft it (${firstSentence(messageOf(error))}); write it by hand`;
    return { statements: [], reason };
  }
}

/** A role can only go once no policy names it. */
function rolesLast(statements: readonly string[]): readonly string[] {
  const isDrop = (text: string) => text.startsWith("DROP ROLE ");
  return [...statements.filter((text) => !isDrop(text)), ...statements.filter(isDrop)];
}

function firstSentence(text: string): string {
  return text.split(/[\n.]/)[0]?.trim() ?? text;
}

export async function readSnapshot(folder: string, tag: string): Promise<Snapshot> {
  return JSON.parse(await readFile(snapshotPath(folder, tag), "utf8")) as Snapshot;
}

/** Loaded from the user's project, so that it is the drizzle-kit that wrote the snapshots. */
export async function loadDrizzleKitApi(projectFolder: string): Promise<DrizzleKitApi> {
  const path = createRequire(`${projectFolder}/package.json`).resolve("drizzle-kit/api");
  return (await import(path)) as DrizzleKitApi;
}

/** drizzle-kit asks about possible renames where it sees a terminal; a draft must not, and throws instead. */
export async function withoutPrompts<T>(work: () => Promise<T>): Promise<T> {
  const { isTTY } = process.stdin;
  process.stdin.isTTY = false;
  try {
    return await work();
  } finally {
    process.stdin.isTTY = isTTY;
  }
}

/**
 * drizzle-kit drops tables with CASCADE, which takes along whatever else has come to depend on them. Dropped in the
 * order of their foreign keys they need none, and PostgreSQL refuses where something unforeseen hangs on.
 */
function dropWithoutCascade(statements: readonly string[], snapshot: Snapshot): readonly string[] {
  const drops = statements.filter((statement) => DROP_TABLE.test(statement));
  const tables = new Map(
    Object.values(snapshot.tables).map((table) => [quoted(table.schema, table.name), table]),
  );
  const nameOf = (statement: string) => DROP_TABLE.exec(statement)?.[1] ?? "";
  const ordered = orderByReferences(
    drops,
    (statement) => referencesOf(tables.get(nameOf(statement))),
    nameOf,
  );
  if (ordered === undefined) return statements;
  const rest = statements.filter((statement) => !DROP_TABLE.test(statement));
  // A constraint of a table that goes goes with it; types and schemas can only go once no table uses them.
  return [
    ...rest.filter((text) => !/^DROP (TYPE|SCHEMA|SEQUENCE)/.test(text)),
    ...ordered.map(plainDrop),
    ...rest.filter((text) => /^DROP (TYPE|SCHEMA|SEQUENCE)/.test(text)),
  ];
}

const DROP_TABLE = /^DROP TABLE ((?:"[^"]+"\.)?"[^"]+") CASCADE;$/;

function plainDrop(statement: string): string {
  return statement.replace(/ CASCADE;$/, ";");
}

function quoted(schema: string, name: string): string {
  return schema === "" || schema === "public" ? `"${name}"` : `"${schema}"."${name}"`;
}

function referencesOf(table: SnapshotTable | undefined): readonly string[] {
  return Object.values(table?.foreignKeys ?? {}).map((key) => quoted(key.schemaTo ?? "", key.tableTo));
}

/** Referencing tables first; undefined where they refer to each other in a circle. */
function orderByReferences(
  drops: readonly string[],
  references: (drop: string) => readonly string[],
  nameOf: (drop: string) => string,
): readonly string[] | undefined {
  const left = [...drops];
  const ordered: string[] = [];
  while (left.length > 0) {
    const free = left.findIndex((drop) =>
      left.every((other) => other === drop || !references(other).includes(nameOf(drop))),
    );
    if (free < 0) return undefined;
    ordered.push(...left.splice(free, 1));
  }
  return ordered;
}
