import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { columnList, rowsOf, tableSql } from "../backup/facts.ts";
import { openGzipFile } from "../backup/files.ts";
import type { SavedPart } from "../backup/manifest.ts";
import { identifier } from "../database/sql-text.ts";
import { MigratorError } from "../errors.ts";
import type { RunContext } from "./context.ts";
import { refused } from "./put-back-failures.ts";
import type { Prepared } from "./put-back-order.ts";

/** What was put back of a table. */
export interface Restored {
  readonly schema: string;
  readonly table: string;
  /** Undefined for whole rows. */
  readonly columns: readonly string[] | undefined;
  readonly rows: number;
  /** Saved rows that were there already, with the same values. */
  readonly alreadyThere: number;
  /** Saved values whose rows are gone; left out. */
  readonly missing: number;
}

export interface PutOptions {
  /** Puts saved values also over others that a column has got since. */
  readonly overwrite?: boolean | undefined;
  /** Leaves out saved values of rows that are not there any more. */
  readonly skipMissing?: boolean | undefined;
}

/** Where saved rows wait that cannot go into the table as they come; dropped at the end of the transaction. */
const WAITING = 'pg_temp."migrator_restore"';

/** Whole rows: straight into an empty table; into another only those whose key is not there yet. */
export async function putRows(context: RunContext, folder: string, one: Prepared): Promise<Restored> {
  const { part, facts } = one;
  const names = namesOf(part);
  const source = rowsOf(part, facts);
  const result = { schema: part.schema, table: part.table, columns: undefined, missing: 0 };
  const [filled] = await ask(context, part, `select exists (select from ${source}) as "is"`);
  if (filled?.is !== true) {
    await copyIn(context, folder, part, tableSql(part));
    return { ...result, rows: part.rows, alreadyThere: 0 };
  }
  const key = facts.keys.find((columns) => columns.every((column) => names.includes(column)));
  if (key === undefined)
    throw inTheWay(part, "it has no primary key to tell which of them are the saved ones");
  await wait(context, folder, one);
  const both = `${WAITING} b join ${source} t on ${same(key)}`;
  const [counts] = await ask(
    context,
    part,
    `select count(*)::text as "same", count(*) filter (where ${differ(names)})::text as "other",
      min(${`concat_ws(', ', ${columnList(key, "t.")})`}) filter (where ${differ(names)}) as "first" from ${both}`,
  );
  if (Number(counts?.other) > 0) {
    const what = `${counts?.other} of them with the key of a saved row and other values (${key.join(", ")} = ${counts?.first}, for one)`;
    throw inTheWay(part, what);
  }
  const list = columnList(names);
  const insert = `insert into ${tableSql(part)} (${list}) overriding system value
    select ${list} from ${WAITING} b where not exists (select from ${source} t where ${same(key)})`;
  await ask(context, part, `${insert}; drop table ${WAITING}`);
  const alreadyThere = Number(counts?.same);
  return { ...result, rows: part.rows - alreadyThere, alreadyThere };
}

/** Columns of rows that stayed, by their key. */
export async function putColumns(
  context: RunContext,
  folder: string,
  one: Prepared,
  { overwrite = false, skipMissing = false }: PutOptions,
): Promise<Restored> {
  const { part, facts } = one;
  const columns = namesOf(part).filter((name) => !part.key.includes(name));
  const source = rowsOf(part, facts);
  await wait(context, folder, one);
  const [counts] = await ask(
    context,
    part,
    `select count(*)::text as "same", count(*) filter (where ${differ(columns)})::text as "changes",
      count(*) filter (where ${columns.map((name) => hasAnother(one, name)).join(" or ")})::text as "other"
    from ${WAITING} b join ${source} t on ${same(part.key)}`,
  );
  const missing = part.rows - Number(counts?.same);
  if (missing > 0 && !skipMissing) throw rowsMissing(part, missing);
  if (Number(counts?.other) > 0 && !overwrite) throw valuesInTheWay(part, columns, Number(counts?.other));
  const set = columns.map((name) => `${identifier(name)} = b.${identifier(name)}`).join(", ");
  const update = `update ${source} t set ${set} from ${WAITING} b where ${same(part.key)} and (${differ(columns)})`;
  await ask(context, part, `${update}; drop table ${WAITING}`);
  const rows = Number(counts?.changes);
  return {
    ...{ schema: part.schema, table: part.table, columns, rows, missing },
    alreadyThere: Number(counts?.same) - rows,
  };
}

/** A default that means the same each time it is asked for. */
const CONSTANT = /^\(?(?:'(?:[^']|'')*'|-?\d+(?:\.\d+)?|true|false)\)?(?:::[\w ."[\](),]+)?$/i;

/** Whether a row has got a value since that is neither the saved one nor what the migration gives every row. */
function hasAnother({ facts }: Prepared, name: string): string {
  // A number of its sequence was given to each row by the migration itself.
  if (facts.sequences.some(({ column }) => column === name)) return "false";
  const column = `t.${identifier(name)}`;
  const given = facts.columns.find((one) => one.name === name)?.default ?? "";
  const notDefault = CONSTANT.test(given) ? ` and ${column}::text is distinct from (${given})::text` : "";
  return `(${column} is distinct from null and ${differ([name])}${notDefault})`;
}

/** As text, because not every type can be compared (json, point, xml). */
function differ(names: readonly string[]): string {
  const pairs = names.map(
    (name) => `b.${identifier(name)}::text is distinct from t.${identifier(name)}::text`,
  );
  return pairs.length === 0 ? "false" : pairs.join(" or ");
}

function same(key: readonly string[]): string {
  return key.map((name) => `t.${identifier(name)} = b.${identifier(name)}`).join(" and ");
}

function namesOf({ columns }: SavedPart): readonly string[] {
  return columns.map(({ name }) => name);
}

/** Loads the file into a table of this session, with the columns' types as they are now. */
async function wait(context: RunContext, folder: string, { part, facts }: Prepared): Promise<void> {
  const list = columnList(namesOf(part));
  const create = `create temporary table "migrator_restore" on commit drop as select ${list} from ${rowsOf(part, facts)} with no data`;
  await ask(context, part, create);
  await copyIn(context, folder, part, WAITING);
  await ask(context, part, `analyze ${WAITING}`);
}

async function copyIn(context: RunContext, folder: string, part: SavedPart, target: string): Promise<void> {
  const names = namesOf(part);
  const columns = names.length === 0 ? "" : ` (${columnList(names)})`;
  const [file, gunzip] = openGzipFile(join(folder, part.file));
  const copy = context.database.sql.copyIn(`copy ${target}${columns} from stdin`, (into, signal) =>
    pipeline(file, gunzip, into, { signal }),
  );
  await copy.catch((cause: unknown) => {
    throw refused(puttingBack(part), cause, context.database);
  });
}

async function ask(context: RunContext, part: SavedPart, sql: string) {
  return context.database.sql.unsafe(sql).catch((cause: unknown) => {
    throw refused(puttingBack(part), cause, context.database);
  });
}

function puttingBack(part: SavedPart): string {
  return `putting back ${part.kind === "table" ? "rows" : "columns"} of ${part.schema}.${part.table}`;
}

function inTheWay({ schema, table }: SavedPart, why: string): MigratorError {
  return new MigratorError({
    code: "rows-in-the-way",
    message: `table ${schema}.${table} holds rows already, ${why}`,
    fix: "move or delete what is in the way, then run again; rows that are as they were saved may stay",
  });
}

function rowsMissing({ schema, table, key }: SavedPart, missing: number): MigratorError {
  return new MigratorError({
    code: "rows-missing",
    message: `${missing} rows of ${schema}.${table} whose values were saved are not there (by ${key.join(", ")})`,
    fix: "if another backup holds these rows, restore that one first; if they were deleted since: --skip-missing",
  });
}

function valuesInTheWay(
  { schema, table }: SavedPart,
  columns: readonly string[],
  rows: number,
): MigratorError {
  return new MigratorError({
    code: "rows-in-the-way",
    message: `${rows} rows of ${schema}.${table} have other values in ${columns.join(", ")} now than those saved`,
    fix: "look at them; if the saved values shall take their place: --overwrite",
  });
}
