import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { interruptible } from "../apply/interruptible.ts";
import { assertReplayable } from "../apply/replayable.ts";
import type { Settings } from "../config.ts";
import { type Scratch, withScratch } from "../database/scratch.ts";
import { rolesIn } from "../folder/cluster-wide.ts";
import { isEmptyScript } from "../folder/down-text.ts";
import { draftFromSnapshots, type SnapshotDraft } from "../folder/downs.ts";
import { projectFolder } from "../folder/drizzle-kit.ts";
import { downFileName, type Migration, readFolder } from "../folder/read.ts";
import { type DownDraft, draftOne, type Memory } from "./drafts.ts";
import { scriptsOf } from "./proof.ts";
import { type Range, sideBySide } from "./side-by-side.ts";
import { applied } from "./trial.ts";
import { type Workbench, withWorkbench } from "./workbench.ts";

export interface DownsResult {
  /** Of the migrations that had no down file, or one that says it is unfinished and holds no statement. */
  readonly drafts: readonly DownDraft[];
  /** Absolute paths of the files that were written. */
  readonly written: readonly string[];
  readonly durationMs: number;
}

/** Drafts the down files that a folder lacks, tries each on scratch databases, and writes them where told to. */
export async function draftDowns(
  settings: Settings,
  target: string | undefined,
  options: { readonly write: boolean },
  signal: AbortSignal,
): Promise<DownsResult> {
  const started = Date.now();
  const folder = await readFolder(settings.migrations);
  assertReplayable(folder);
  const drafts = await draftFor(settings, target, folder.migrations, lacksDown, signal);
  const written: string[] = [];
  for (const { tag, text } of options.write ? drafts : []) {
    if (text === null) continue;
    const file = join(folder.path, downFileName(tag));
    await writeFile(file, text);
    written.push(file);
  }
  return { drafts, written, durationMs: Date.now() - started };
}

function lacksDown({ down }: Migration): boolean {
  return down === undefined || (down.unfinished !== undefined && isEmptyScript(down));
}

/** Drafts and tries the downs of those migrations that are wanted; those between are only applied. */
export async function draftFor(
  settings: Settings,
  target: string | undefined,
  migrations: readonly Migration[],
  isWanted: (migration: Migration) => boolean,
  signal: AbortSignal,
): Promise<readonly DownDraft[]> {
  const snapshots = new Map<Migration, SnapshotDraft>();
  // One after the other: drizzle-kit is kept from asking by a setting of the whole process.
  for (const [index, migration] of migrations.entries()) {
    if (!isWanted(migration)) continue;
    const previous = migrations[index - 1]?.tag;
    const project = projectFolder(settings);
    snapshots.set(migration, await draftFromSnapshots(settings.migrations, project, migration.tag, previous));
  }
  const from = migrations.findIndex(isWanted);
  const to = migrations.findLastIndex(isWanted) + 1;
  if (from < 0) return [];
  const work = async (scratch: Scratch) => {
    await scratch.ensureRoles(await rolesIn(scriptsOf(migrations.slice(0, to))));
    return sideBySide({ from, to }, signal, (range, stop) => {
      const make: Course["make"] = (work) => withWorkbench(settings, scratch, stop, work);
      return draftRange({ migrations, snapshots, make }, range);
    });
  };
  return interruptible("the drafting", signal, () => withScratch(settings.scratch, target, work));
}

/** What drafting a range needs. */
interface Course {
  readonly migrations: readonly Migration[];
  /** Of those migrations whose downs are wanted. */
  readonly snapshots: ReadonlyMap<Migration, SnapshotDraft>;
  make<T>(work: (bench: Workbench) => Promise<T>): Promise<T>;
}

/** Where a draft has left the database in doubt, the work goes on on another. */
async function draftRange(course: Course, { from, to }: Range): Promise<readonly DownDraft[]> {
  const { migrations } = course;
  const drafts: DownDraft[] = [];
  let memory: Memory = { tried: [] };
  for (let next = from; next < to; ) {
    await course.make(async (bench) => {
      await applied(bench, migrations.slice(0, next));
      for (let clean = true; clean && next < to; ) {
        const migration = migrations[next];
        if (migration === undefined) return;
        const snapshots = course.snapshots.get(migration);
        if (snapshots === undefined) {
          await applied(bench, [migration]);
          next++;
          continue;
        }
        const outcome = await draftOne(bench, migration, snapshots, memory);
        clean = outcome.leftClean;
        if (outcome.draft === undefined) continue;
        drafts.push(outcome.draft);
        memory = { tried: [] };
        next++;
      }
    });
  }
  return drafts;
}
