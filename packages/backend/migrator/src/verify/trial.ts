import { notReplayed } from "../apply/replayable.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { type CompareOptions, compareCatalogs, type Difference } from "../catalog/compare.ts";
import { MigratorError, messageOf } from "../errors.ts";
import type { DownScript, Migration } from "../folder/read.ts";
import { afterDown } from "./after-down.ts";
import { type Identities, misplaced } from "./identities.ts";
import type { Workbench } from "./workbench.ts";

/** @throws MigratorError `cannot-check` */
export async function applied(bench: Workbench, migrations: readonly Migration[]): Promise<void> {
  await bench.up(...migrations).catch((cause: unknown) => {
    throw notReplayed(cause);
  });
}

/** What became of a down. */
export interface Trial {
  /** Whether the schema was as before the up; the migration is then applied again. Undefined where that is not known. */
  readonly undone: boolean | undefined;
  readonly reason: string | null;
  /** In the words of `afterDown`. */
  readonly differences: readonly Difference[];
}

/** Grants too: they were made by the same role on the same server, so that they can be told. */
export const COUNTING: CompareOptions = { privileges: true };

/** A schema, and who is who in it. */
export interface Moment {
  readonly catalog: Catalog;
  readonly named: Identities;
}

export async function momentOf(bench: Workbench): Promise<Moment> {
  return { catalog: await bench.catalog(), named: await bench.identities() };
}

/** A state of a database, to be compared with. */
export interface Mark {
  readonly print: string;
  /** Undefined where it was not read, since it is hardly ever needed. */
  readonly moment: Moment | undefined;
}

/** Undoes the migration that was applied last, compares, and applies it again. */
export async function tryDown(
  bench: Workbench,
  migration: Migration,
  down: DownScript,
  before: Mark,
  look: () => Promise<void> = async () => {},
): Promise<Trial> {
  const failed = (reason: string): Trial => ({ undone: false, reason, differences: [] });
  const error = await failureOf(bench.down(migration, down));
  if (error) return failed(`the down failed: ${error}`);
  if ((await bench.fingerprint()) !== before.print) {
    if (before.moment === undefined) return { undone: undefined, reason: null, differences: [] };
    const found = await compareCatalogs(before.moment.catalog, await bench.catalog(), COUNTING);
    const differences = afterDown(found);
    if (differences.length > 0) return { undone: false, reason: null, differences };
    // Two columns of a type that changed names with each other make the same schema, with each other's values.
    const elsewhere = misplaced(before.moment.named, await bench.identities());
    if (elsewhere.length > 0) return failed(`the values are not where they were: ${elsewhere.join("; ")}`);
  }
  await look();
  const again = await failureOf(bench.up(migration));
  if (again) return failed(`the up failed the second time, so the down left something behind: ${again}`);
  return { undone: true, reason: null, differences: [] };
}

/** What a migration failed with, in one line. @throws what does not come from the migration */
async function failureOf(work: Promise<void>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (!(error instanceof MigratorError) || !OF_THE_FILE.has(error.code)) throw error;
    return [messageOf(error), ...error.details.slice(0, 1)].join(": ");
  }
}

const OF_THE_FILE: ReadonlySet<string> = new Set([
  "statement-failed",
  "permission-denied",
  "forbidden-statement",
]);
