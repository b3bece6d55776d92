import { join } from "node:path";
import { MigratorError, messageOf } from "../errors.ts";
import { readBack } from "./files.ts";
import type { Manifest } from "./manifest.ts";

/** Reads every file, before anything is touched. @throws MigratorError `backup-damaged` */
export async function assertWhole(folder: string, { tables }: Manifest): Promise<void> {
  const damages: string[] = [];
  for (const part of tables) {
    const found = await readBack(join(folder, part.file)).catch((error: unknown) => messageOf(error));
    if (typeof found === "string") damages.push(`${part.file} cannot be read: ${found}`);
    else if (found.sha256 !== part.sha256)
      damages.push(`${part.file} has sha256 ${found.sha256}; the manifest says ${part.sha256}`);
    else if (found.rows !== part.rows)
      damages.push(`${part.file} has ${found.rows} rows; the manifest says ${part.rows}`);
  }
  if (damages.length === 0) return;
  throw new MigratorError({
    code: "backup-damaged",
    message: `the backup in ${folder} is not as it was written`,
    details: damages,
    state: "nothing was put back",
    fix: "take another copy of this backup",
  });
}
