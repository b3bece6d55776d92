import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import type { FolderSettings } from "../config.ts";
import { MigratorError, messageOf } from "../errors.ts";
import {
  asksAboutRename,
  foundNoChange,
  isUnchanged,
  notGenerated,
  projectFolder,
  readState,
  runDrizzleKit,
  targetArgs,
} from "./drizzle-kit.ts";

/**
 * Whether the Drizzle schema has changes that no migration holds: drizzle-kit is asked to generate into a copy. That takes
 * most of a second, so only those who ask for it (`--strict`) wait. False where no schema is configured.
 */
export async function isSchemaAhead(settings: FolderSettings): Promise<boolean> {
  if (settings.drizzleConfigFile === undefined && settings.schemaFile === undefined) return false;
  const project = projectFolder(settings);
  // Inside the project: drizzle-kit takes paths relative to it, and the schema's imports must resolve.
  const copy = await mkdtemp(join(project, ".migrator-check-")).catch((cause: unknown) => {
    throw noCopy(cause);
  });
  try {
    await cp(join(settings.migrations, "meta"), join(copy, "meta"), { recursive: true });
    const target = await copyTarget(settings, project, copy);
    const before = await readState(copy);
    const run = await runDrizzleKit(project, ["generate", ...target, "--name=check"]);
    // A question about a rename is a change as well.
    if (!(await isUnchanged(copy, before)) || asksAboutRename(run)) return true;
    if (foundNoChange(run)) return false;
    throw notGenerated(run);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

/** What makes drizzle-kit write to another folder. It takes no other flag beside --config: the project's is wrapped. */
export async function copyTarget(
  settings: FolderSettings,
  project: string,
  copy: string,
): Promise<readonly string[]> {
  const out = relative(project, copy);
  if (settings.drizzleConfigFile === undefined) return targetArgs({ ...settings, migrations: copy }, project);
  const config = join(copy, "drizzle.config.ts");
  const original = relative(copy, settings.drizzleConfigFile);
  await writeFile(
    config,
    `import config from "${original}";\nexport default { ...config, out: "./${out}" };\n`,
  );
  return [`--config=${relative(project, config)}`];
}

function noCopy(cause: unknown): MigratorError {
  return new MigratorError({
    code: "schema-unchecked",
    message: `the schema cannot be compared with the migrations: ${messageOf(cause)}`,
    state: "nothing was changed",
    fix: "check where `schema` or `drizzleConfig` points to; comparing needs to write a temporary folder beside it",
    cause,
  });
}
