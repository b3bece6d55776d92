import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "./temporary.ts";

/** A folder from which drizzle-kit and drizzle-orm are found as from this package, and nothing else of it. */
export async function makeProject(files: Readonly<Record<string, string>>): Promise<string> {
  const project = await temporaryFolder();
  await symlink(fileURLToPath(new URL("../../node_modules", import.meta.url)), join(project, "node_modules"));
  await writeFiles(project, files);
  return project;
}

/** Writes files, given by their path below the folder. */
export async function writeFiles(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

/** All files below a folder with a hash of their content; none where there is no folder. */
export async function fingerprint(folder: string): Promise<Readonly<Record<string, string>>> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const prints: Record<string, string> = {};
  for (const name of names.sort()) {
    const path = join(folder, name);
    if ((await stat(path)).isDirectory()) continue;
    prints[name] = createHash("sha256")
      .update(await readFile(path))
      .digest("hex");
  }
  return prints;
}
