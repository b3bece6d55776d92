import type { Catalog } from "../catalog/catalog.ts";
import type { Difference } from "../catalog/compare.ts";
import { planBetween } from "../catalog/plan.ts";
import { MigratorError, messageOf } from "../errors.ts";
import { dataChangesOf, downText, isEmptyScript, markOf } from "../folder/down-text.ts";
import type { SnapshotDraft } from "../folder/downs.ts";
import { type DownScript, downFileName, type Migration, parseDown } from "../folder/read.ts";
import { lossOf } from "./draft-losses.ts";
import { countRemade, type Identities } from "./identities.ts";
import { renamesBack } from "./old-names.ts";
import { applied, COUNTING, type Moment, momentOf, type Trial, tryDown } from "./trial.ts";
import type { Workbench } from "./workbench.ts";

export type DraftState = "proved" | "unproved" | "cannot-draft";

/** A down file that was drafted, and tried. */
export interface DownDraft {
  readonly tag: string;
  readonly state: DraftState;
  /** What it was drafted from; null where there is none. */
  readonly origin: "snapshots" | "catalogs" | null;
  /** The file's text; null where nothing could be drafted. */
  readonly text: string | null;
  /** Why it is not proved, where no difference says so. */
  readonly reason: string | null;
  readonly differences: readonly Difference[];
}

/** A draft that was tried. */
interface Tried {
  readonly origin: "snapshots" | "catalogs";
  readonly text: string;
  readonly trial: Trial;
  /** Tables, columns and enum values that it takes away and makes anew. */
  readonly remade: number;
}

/** What is known of one migration from databases on which a draft has failed. */
export interface Memory {
  readonly tried: Tried[];
}

/** Whether the database is good for the next migration, and what came of this one; undefined for "once more". */
export interface DraftOutcome {
  readonly draft: DownDraft | undefined;
  readonly leftClean: boolean;
}

/**
 * Drafts the down of the next migration, and tries it: from the snapshots, and where these do not know enough, or would
 * make anew what could be kept, from the schema before and after. Leaves the migration applied.
 */
export async function draftOne(
  bench: Workbench,
  migration: Migration,
  snapshots: SnapshotDraft,
  memory: Memory,
): Promise<DraftOutcome> {
  const { up } = migration;
  const before = { print: await bench.fingerprint(), moment: await momentOf(bench) };
  await applied(bench, [migration]);
  const { tried } = memory;
  if (up === undefined || isEmptyScript(up))
    return done(migration, tried, `${migration.fileName} holds no statement yet`, true);
  const after = await momentOf(bench);
  const attempt = async (origin: Tried["origin"], text: string) => {
    let remade = 0;
    const trial = await tryDown(bench, migration, scriptOf(migration, text), before, async () => {
      remade = countRemade(before.moment.named, after.named, await bench.identities());
    });
    tried.push({ origin, text, trial, remade });
    if (trial.undone) bench.assume(after.catalog);
    return trial.undone === true;
  };
  const textOf = (origin: Tried["origin"], statements: readonly string[], loses: readonly string[] = []) =>
    downText(migration.tag, {
      origin,
      statements: statements.map(withoutCutting),
      loses: [...loses, ...dataChangesOf(up)],
      lossOf: (statement) => lossOf(statement, migration.tag, after.catalog, before.moment.catalog),
    });
  const [first] = tried;
  if (first === undefined && snapshots.statements.length > 0) {
    const undone = await attempt("snapshots", textOf("snapshots", snapshots.statements));
    if (undone && tried[0]?.remade === 0) return done(migration, tried, undefined, true);
    // PostgreSQL's numbers for what was made anew are others by now: the next attempt begins afresh.
    return { draft: undefined, leftClean: false };
  }
  const planned = await planDown(bench, snapshots, before.moment, after).catch((error: unknown) => {
    if (error instanceof MigratorError && error.code === "interrupted") throw error;
    return { statements: undefined, reason: messageOf(error) };
  });
  if (planned.statements === undefined) return done(migration, tried, planned.reason, true);
  const undone = await attempt("catalogs", textOf("catalogs", planned.statements, planned.loses));
  return done(migration, tried, undefined, undone);
}

/** Statements from one moment back to another: first the old names, so that nothing that was renamed is made anew. */
async function planDown(
  bench: Workbench,
  snapshots: SnapshotDraft,
  before: Moment,
  after: Moment,
): Promise<{ readonly statements: readonly string[]; readonly loses: readonly string[] }> {
  const names = await tryNames(bench, before.named, after);
  const steps = await planBetween(names.catalog, before.catalog, COUNTING);
  // Roles are no part of a schema: of them only the snapshots know.
  const roles = snapshots.statements.filter((sql) => /^(CREATE|ALTER|DROP) ROLE /.test(sql));
  return { statements: [...names.statements, ...steps.map(({ sql }) => sql), ...roles], loses: names.loses };
}

/** The schema as it would be with the old names. Leaves the database as it was. */
async function tryNames(
  bench: Workbench,
  before: Identities,
  after: Moment,
): Promise<{
  readonly statements: readonly string[];
  readonly loses: readonly string[];
  readonly catalog: Catalog;
}> {
  const renamings = renamesBack(before, after.named);
  if (renamings.length === 0) return { statements: [], loses: [], catalog: after.catalog };
  const statements = renamings.map(({ sql }) => sql);
  const error = await bench.execute(statements).then(() => undefined, messageOf);
  if (error !== undefined) {
    const loses = `what is in the things that the migration renamed: they cannot be renamed back (${error}), and are made anew`;
    return { statements: [], loses: [loses], catalog: after.catalog };
  }
  const catalog = await bench.catalog();
  await bench.execute(renamings.map(({ undo }) => undo).reverse());
  return { statements, loses: [], catalog };
}

/** The best of what was tried: proved, and with the least made anew; else with the fewest differences. */
function done(
  { tag }: Migration,
  tried: readonly Tried[],
  noneBecause: string | undefined,
  leftClean: boolean,
): DraftOutcome {
  const [best] = [...tried].sort((a, b) => rankOf(a) - rankOf(b));
  if (best === undefined) {
    const reason = noneBecause ?? "nothing could be drafted";
    const draft = { tag, state: "cannot-draft", origin: null, text: null, reason, differences: [] } as const;
    return { draft, leftClean };
  }
  const { origin, trial } = best;
  const why = trial.reason ?? trial.differences.map(({ text }) => text).join("; ");
  const [head, ...rest] = best.text.split("\n");
  return {
    leftClean,
    draft: {
      tag,
      state: trial.undone === true ? "proved" : "unproved",
      origin,
      text: trial.undone ? best.text : [head, markOf("unproved", why), ...rest].join("\n"),
      reason: trial.reason,
      differences: trial.differences,
    },
  };
}

function rankOf({ trial: { undone, differences, reason }, remade, origin }: Tried): number {
  const order = origin === "snapshots" ? 0 : 0.5;
  if (undone) return order + remade;
  return order + 1e6 * (reason === null ? differences.length : 1e3);
}

/**
 * A cast that is written out cuts off a text that is too long; left to itself PostgreSQL refuses it, and takes any value
 * for a text that is short enough.
 */
function withoutCutting(statement: string): string {
  const [, kept] = CUTTING_CAST.exec(statement) ?? [];
  return kept ?? statement;
}

const CUTTING_CAST =
  /^(ALTER TABLE .* (?:SET DATA )?TYPE ((?:character varying|varchar|character|char)\(\d+\))(?: COLLATE \S+)?) USING \S+::\2;?$/s;

function scriptOf({ tag }: Migration, text: string): DownScript {
  return parseDown(downFileName(tag), text);
}
