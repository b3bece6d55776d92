import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { FolderSettings } from "../config.ts";
import { loadDrizzleKitApi, readSnapshot, withoutPrompts } from "./downs.ts";
import { notGenerated, projectFolder, readState, runDrizzleKit } from "./drizzle-kit.ts";
import { copyTarget } from "./schema-ahead.ts";
import { splitStatements } from "./statements.ts";

/** What drizzle-kit would run on an empty database for the schema that a migration's snapshot holds. */
export async function sqlOfSnapshot(settings: FolderSettings, tag: string): Promise<readonly string[]> {
  const api = await loadDrizzleKitApi(projectFolder(settings));
  const snapshot = await readSnapshot(settings.migrations, tag);
  return withoutPrompts(() => api.generateMigration(api.generateDrizzleJson({}), snapshot));
}

/** The same for the Drizzle schema as its files are now; undefined where none is configured. */
export async function sqlOfSchema(settings: FolderSettings): Promise<readonly string[] | undefined> {
  if (settings.drizzleConfigFile === undefined && settings.schemaFile === undefined) return undefined;
  const project = projectFolder(settings);
  // Inside the project: drizzle-kit takes paths relative to it, and the schema's imports must resolve.
  const empty = await mkdtemp(join(project, ".migrator-check-"));
  try {
    const target = await copyTarget(settings, project, empty);
    const run = await runDrizzleKit(project, ["generate", ...target, "--name=fresh"]);
    const { journal } = await readState(empty);
    const [entry] = journal?.entries ?? [];
    if (entry === undefined) throw notGenerated(run);
    return splitStatements(await readFile(join(empty, `${entry.tag}.sql`), "utf8")).map(({ sql }) => sql);
  } finally {
    await rm(empty, { recursive: true, force: true });
  }
}
