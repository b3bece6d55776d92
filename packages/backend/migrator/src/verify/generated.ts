import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Settings } from "../config.ts";
import { MigratorError, messageOf } from "../errors.ts";
import { downFileName, readFolder } from "../folder/read.ts";
import { draftFor } from "./downs.ts";
import type { DownDraft } from "./drafts.ts";

/** What became of the down file of a migration that was just generated. */
export type GeneratedProof =
  | { readonly proved: true; readonly draft: DownDraft; readonly durationMs: number }
  | { readonly proved: false; readonly draft: DownDraft; readonly durationMs: number }
  /** It could not be tried. */
  | { readonly proved: null; readonly reason: string };

/**
 * Tries the draft for a new migration, drafts it anew from the schema where the snapshots did not know enough, and writes
 * it; one that does not undo its up gets the mark that CI refuses. Never fails: the migration is there already.
 * @param settings read only here, because a project may generate where no database can be had
 */
export async function proveGenerated(
  tag: string,
  settings: () => Promise<Settings>,
  targetOf: (settings: Settings) => string | undefined,
  signal: AbortSignal,
): Promise<GeneratedProof> {
  const started = Date.now();
  try {
    const found = await settings();
    const { path, migrations } = await readFolder(found.migrations);
    const isNew = (migration: { readonly tag: string }) => migration.tag === tag;
    const [draft] = await draftFor(found, targetOf(found), migrations, isNew, signal);
    if (draft === undefined) throw new Error(`${tag} is not in the folder`);
    if (draft.text !== null) await writeFile(join(path, downFileName(tag)), draft.text);
    return { proved: draft.state === "proved", draft, durationMs: Date.now() - started };
  } catch (error) {
    const [first] = error instanceof MigratorError ? error.details : [];
    return { proved: null, reason: [messageOf(error), first].filter(Boolean).join(": ") };
  }
}
