import { COPY_SETTINGS, findTable, type TableFacts, tableSql } from "../backup/facts.ts";
import { misfitsOf } from "../backup/fit.ts";
import type { Manifest, SavedPart } from "../backup/manifest.ts";
import { MigratorError } from "../errors.ts";
import type { RunContext } from "./context.ts";
import { runTransaction } from "./execute.ts";
import { refused } from "./put-back-failures.ts";
import { advanceSequencesSql, inOrder, type Prepared, preparations } from "./put-back-order.ts";
import { type PutOptions, putColumns, putRows, type Restored } from "./put-back-part.ts";
import { interrupted } from "./retry.ts";

/** In one transaction, which proves that this session holds the runner's lock. */
export async function putBack(
  context: RunContext,
  folder: string,
  manifest: Manifest,
  options: PutOptions,
): Promise<readonly Restored[]> {
  let restored: readonly Restored[] = [];
  await runTransaction(context, [], {
    pause: {
      after: 0,
      async work() {
        restored = await putParts(context, folder, manifest, options);
        if (context.signal.aborted) throw interrupted(context.signal.reason);
      },
      onFailed: async () => undefined,
      onDone: () => undefined,
    },
  });
  return restored;
}

async function putParts(
  context: RunContext,
  folder: string,
  { tag, tables }: Manifest,
  options: PutOptions,
): Promise<readonly Restored[]> {
  const { database, on } = context;
  const send = (sql: string) =>
    database.sql.unsafe(sql).catch((cause: unknown) => {
      throw refused("preparing the tables", cause, database);
    });
  await send(COPY_SETTINGS);
  assertFits(await readFacts(context, tables));
  // Others may read meanwhile; what they write would come too late to be compared.
  const names = [...new Set(tables.map(tableSql))].sort();
  await send(`lock table ${names.join(", ")} in share row exclusive mode`);
  const prepared = await readFacts(context, tables);
  assertFits(prepared);
  // Functions that a CHECK or a default calls may look for what they name on the usual path.
  await send("set local search_path to default");
  const ordered = inOrder(prepared);
  const { before, after } = preparations(ordered);
  for (const sql of before) await send(sql);
  const restored: Restored[] = [];
  for (const one of ordered) {
    on({ type: "restoring", tag, what: `${one.part.rows} rows of ${one.part.schema}.${one.part.table}` });
    const put = one.part.kind === "table" ? putRows : putColumns;
    restored.push(await put(context, folder, one, options));
  }
  // What was deferred is checked here: a table with checks to come cannot be altered.
  for (const sql of ["set constraints all immediate", ...after]) await send(sql);
  for (const sql of ordered.flatMap(advanceSequencesSql)) await send(sql);
  return restored;
}

type Found = { readonly part: SavedPart; readonly facts: TableFacts | undefined };

async function readFacts({ database }: RunContext, parts: readonly SavedPart[]): Promise<readonly Found[]> {
  return Promise.all(parts.map(async (part) => ({ part, facts: await findTable(database.sql, part) })));
}

/** @throws MigratorError `does-not-fit`, with all that does not */
function assertFits(found: readonly Found[]): asserts found is readonly Prepared[] {
  const misfits = found.flatMap(({ part, facts }) => misfitsOf(part, facts));
  if (misfits.length === 0) return;
  throw new MigratorError({
    code: "does-not-fit",
    message: `the backup does not fit the database as it is now, in ${misfits.length === 1 ? "one place" : `${misfits.length} places`}`,
    details: misfits,
    fix: "bring the schema to where it was (migrator rollback --to …), restore, and go on from there; or put the rows back by hand: the files are COPY's text format, compressed",
  });
}
