import { join } from "node:path";
import { columnList, rowsOf, type TableFacts, type TableName, tableSql } from "../backup/facts.ts";
import { createGzipFile, readBack } from "../backup/files.ts";
import type { SavedPart } from "../backup/manifest.ts";
import { identifier } from "../database/sql-text.ts";
import { EXIT, MigratorError } from "../errors.ts";
import type { RunContext } from "./context.ts";
import { type PlacedLoss, showLoss } from "./losses.ts";
import { onDisk, onServer } from "./save-failures.ts";

/** What of a table is saved. */
export interface PartPlan {
  readonly name: TableName;
  readonly facts: TableFacts;
  readonly kind: SavedPart["kind"];
  readonly key: readonly string[];
  /** Without the key's. */
  readonly columns: readonly string[];
  /** SQL: FROM, and WHERE if not all rows. */
  readonly source: string;
}

/** Rows of each loss of a table: all, or those in which a lost column has a value. */
export async function countLosses(
  context: RunContext,
  facts: TableFacts,
  losses: readonly PlacedLoss[],
): Promise<ReadonlyMap<PlacedLoss, number>> {
  const [first] = losses;
  if (first === undefined) return new Map();
  const counts = losses.map(({ column }) =>
    column === undefined ? "count(*)" : `count(${identifier(column)})`,
  );
  const sql = `select array[${counts.join(", ")}]::text[]::text as counts from ${rowsOf(first, facts)}`;
  const [row] = await onServer(context, `counting the rows of ${showLoss(first)}`, () =>
    context.database.sql.unsafe<{ counts: string }[]>(sql),
  );
  const numbers = (row?.counts ?? "").replaceAll(/[{}]/g, "").split(",").map(Number);
  return new Map(losses.map((loss, index) => [loss, numbers[index] ?? 0]));
}

/**
 * PURE. Undefined where nothing needs to be saved: no row, or only generated columns.
 * @param losses those with rows in them
 * @throws MigratorError `no-key`
 */
export function planPart(
  name: TableName,
  facts: TableFacts,
  losses: readonly PlacedLoss[],
): PartPlan | undefined {
  if (losses.length === 0) return undefined;
  const kept = facts.columns.filter(({ generated }) => !generated).map((column) => column.name);
  const from = `from ${rowsOf(name, facts)}`;
  if (losses.some(({ column }) => column === undefined))
    return { name, facts, kind: "table", key: [], columns: kept, source: from };
  const lost = new Set(losses.map(({ column }) => column));
  const columns = kept.filter((column) => lost.has(column));
  if (columns.length === 0) return undefined;
  const key = facts.keys.find((names) => !names.some((column) => lost.has(column)));
  if (key === undefined) throw noKey(losses);
  const plan = { name, facts, kind: "columns", key, columns } as const;
  // Where the column comes back with a default, that fills also the rows that had no value.
  if (facts.columns.some((column) => columns.includes(column.name) && column.default !== null))
    return { ...plan, source: from };
  // Not IS NOT NULL, which is false for a composite value with a NULL in it.
  const filled = columns.map((column) => `${identifier(column)} is distinct from null`).join(" or ");
  return { ...plan, source: `${from} where ${filled}` };
}

function noKey(losses: readonly PlacedLoss[]): MigratorError {
  return new MigratorError({
    code: "no-key",
    message: `${losses.map(showLoss).join(", ")} cannot be saved: the table has no primary key, and no unique one without NULLs, that stays, so no value could be put back into its row`,
    fix: 'give the table a primary key first; or save it by hand (COPY, pg_dump) and say so: --no-backup "saved by hand"',
  });
}

/** Streams a table's rows into a file and reads it back. @param pid of the backend that does it */
export async function savePart(
  context: RunContext,
  pid: number,
  plan: PartPlan,
  folder: string,
  number: number,
): Promise<SavedPart> {
  const { sql } = context.database;
  const { name, facts, kind, key, source } = plan;
  const columns = [...key, ...plan.columns];
  const what = `saving ${tableSql(name)}`;
  const [row] = await onServer(context, what, () =>
    sql.unsafe<{ rows: string }[]>(`select count(*)::text as rows ${source}`),
  );
  const file = `${String(number).padStart(4, "0")}_${fileSafe(name)}.copy.gz`;
  const path = join(folder, file);
  const onThisDisk = <T>(work: () => Promise<T>) => onDisk(context.settings.backupFolder, work);
  const written = await onThisDisk(() => createGzipFile(path));
  const take = async (bytes: Buffer) => {
    try {
      await onThisDisk(() => written.take(bytes));
    } catch (error) {
      await cancel(context, pid);
      throw error;
    }
  };
  const copy = `copy (select ${columnList(columns)} ${source}) to stdout`;
  await onServer(context, what, () => sql.copyOut(copy, take)).catch(async (error: unknown) => {
    await written.abandon();
    throw error;
  });
  const expected = { ...(await onThisDisk(() => written.finish())), rows: Number(row?.rows) };
  const found = await onThisDisk(() => readBack(path));
  if (found.sha256 !== expected.sha256 || found.rows !== expected.rows) throw differs(path, expected, found);
  return {
    ...{ schema: name.schema, table: name.table, kind },
    columns: columns.map((column) => ({ name: column, type: typeOf(facts, column) })),
    key: [...key],
    ...{ rows: expected.rows, file, bytes: expected.bytes, sha256: expected.sha256 },
    sequences: await readSequences(context, facts, plan.columns),
  };
}

/** The rest of a table need not be sent when the disk is full. Best effort: without it, it is read and dropped. */
async function cancel({ database }: RunContext, pid: number): Promise<void> {
  const side = database.openSide();
  await side.unsafe(`select pg_cancel_backend(${pid})`).catch(() => undefined);
  await side.end({ timeout: 1 });
}

async function readSequences(
  context: RunContext,
  { sequences }: TableFacts,
  columns: readonly string[],
): Promise<SavedPart["sequences"]> {
  const own = sequences.filter(({ column }) => columns.includes(column));
  const read = async ({ column, sequence }: (typeof own)[number]) => {
    const sql = `select last_value::text as "lastValue" from ${sequence} where is_called`;
    const [row] = await onServer(context, `reading ${sequence}`, () =>
      context.database.sql.unsafe<{ lastValue: string }[]>(sql),
    );
    return row === undefined ? [] : [{ column, lastValue: row.lastValue }];
  };
  return (await Promise.all(own.map(read))).flat();
}

function typeOf({ columns }: TableFacts, name: string): string {
  return columns.find((column) => column.name === name)?.type ?? "";
}

/** For people; the manifest has the names as they are. */
function fileSafe({ schema, table }: TableName): string {
  return `${schema}.${table}`.replaceAll(/[^A-Za-z0-9_.-]+/g, "_").slice(0, 100);
}

interface Content {
  readonly rows: number;
  readonly sha256: string;
}

function differs(path: string, expected: Content, found: Content): MigratorError {
  return new MigratorError({
    code: "backup-failed",
    message: `${path} does not hold what was written into it`,
    details: [
      `written: ${expected.rows} rows, sha256 ${expected.sha256}`,
      `read back: ${found.rows} rows, sha256 ${found.sha256}`,
    ],
    fix: "look after that disk, or name another folder with --backup-folder, then run again",
    exitCode: EXIT.found,
  });
}
