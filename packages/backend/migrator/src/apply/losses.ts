import type { Database } from "../database/connect.ts";
import { identifier, literal } from "../database/sql-text.ts";
import { type Attribute, type Attributes, attributesSql, parseAttributes } from "./attributes.ts";
import type { RunContext } from "./context.ts";
import { freshWithin, runTransaction, stepsOf } from "./execute.ts";
import type { Job } from "./job.ts";
import { measureNarrowings, type SegmentTrial } from "./narrowings.ts";
import { explain, type Step } from "./step-failures.ts";

/** A table, or a column of a table that stays, that a rollback would drop; or a column whose values it would alter. */
export interface Loss {
  /** Tag of the migration whose rollback drops it. */
  readonly tag: string;
  readonly schema: string;
  readonly table: string;
  /** Undefined when the whole table goes. */
  readonly column: string | undefined;
  /** Of a column that stays and gets a type that does not hold all its values: that type. */
  readonly narrowedTo?: string | undefined;
  /** Rows of the table, or rows in which the column holds a value (one that would be altered). */
  readonly rows: number;
}

/** A loss with the segment of its down file that drops it. */
export interface PlacedLoss extends Loss {
  readonly segment: number;
}

/**
 * What the down files would drop, and how many rows that is. Not guessed from their text: they are run in a transaction
 * that is rolled back, with the catalog read before and after each segment, so that whatever goes (also by CASCADE, or
 * dropped and made again under the same name) is seen.
 */
export async function measureLosses(
  context: Pick<RunContext, "database" | "settings">,
  jobs: readonly Job[],
): Promise<readonly PlacedLoss[]> {
  const reading: Step = { sql: attributesSql(context.settings.ledger) };
  const trials = jobs.flatMap(trialsOf);
  const steps = [reading, ...trials.flatMap((trial) => [...trial.steps, freshWithin(context), reading])];
  const rows = await runTransaction(context, steps, { end: "rollback" });
  const states = rows.filter((_, index) => steps[index] === reading).map(parseAttributes);
  // Only what was there from the start can hold rows; what a down file makes and a later one drops is empty.
  const initial = states[0] ?? new Map<string, Attribute>();
  const losses = trials.flatMap(({ tag, segment }, index) => {
    const [before, after] = [states[index], states[index + 1]];
    return before && after
      ? goneBetween(before, after, initial).map((gone) => ({ tag, segment, ...gone }))
      : [];
  });
  const narrowings = await measureNarrowings(context, trials, states);
  return [...(await countRows(context.database, losses)), ...narrowings];
}

/** What can be tried in a transaction. The rest (an index dropped CONCURRENTLY, a partition detached) takes no rows along. */
function trialsOf({ migration: { tag }, script, segments, partial }: Job): readonly SegmentTrial[] {
  return segments.flatMap((segment, index) =>
    segment.transactional && index >= (partial?.completed ?? 0)
      ? [{ tag, segment: index, steps: stepsOf(script, segment.statements) }]
      : [],
  );
}

/**
 * Fails inside a rollback's transaction if a table that was empty when measured has got rows since. One that an earlier
 * part of the same file has dropped is no longer asked about.
 */
export function assertStillEmptySteps(losses: readonly Loss[]): readonly Step[] {
  return losses.map((loss) => {
    const table = tableOf(loss);
    const message = `${showLoss(loss)} got rows while the rollback was prepared`;
    const column =
      loss.column === undefined
        ? "0"
        : `(select attnum from pg_attribute where attrelid = to_regclass(${literal(table)}) and attname = ${literal(loss.column)})`;
    const lines = [
      `if to_regclass(${literal(table)}) is null or ${column} is null then return; end if;`,
      `execute ${literal(`lock table ${table} in access exclusive mode`)};`,
      `execute ${literal(`select exists (select from ${table}${whereOf(loss)})`)} into filled;`,
      `if filled then raise exception using message = ${literal(message)}, errcode = ${literal(GOT_ROWS)}; end if;`,
    ];
    return { sql: `do ${literal(`declare filled boolean; begin ${lines.join(" ")} end`)}` };
  });
}

/** SQLSTATE that the check above raises. */
export const GOT_ROWS = "MGR02";

/** `table "wishlist_items"` or `column "wishlist_items.notes"`, the schema named where it is not public. */
export function showLoss({ schema, table, column }: Omit<Loss, "rows" | "tag">): string {
  const name = [
    ...(schema === "public" ? [] : [schema]),
    table,
    ...(column === undefined ? [] : [column]),
  ].join(".");
  return `${column === undefined ? "table" : "column"} ${name}`;
}

type Gone = Omit<Loss, "rows" | "tag">;

/** What is gone, and what it was called before the first down file: that is where its rows are counted. */
function goneBetween(
  before: Attributes,
  after: Attributes,
  initial: Attributes,
): readonly (Gone & { readonly now: Gone })[] {
  const gone = [...before].filter(([key]) => !after.has(key) && initial.has(key));
  const tables = new Set(gone.filter(([, { number }]) => number === 0).map(([, { relation }]) => relation));
  return (
    gone
      .filter(([, { number, relation }]) => number === 0 || !tables.has(relation))
      // The rows of a partition are counted with the table that it is part of, if that goes too.
      .filter(([, { parent }]) => parent === undefined || !tables.has(parent))
      .map(([key, attribute]) => ({ ...goneOf(attribute), now: goneOf(initial.get(key) ?? attribute) }))
  );
}

function goneOf({ schema, table, number, column }: Attribute): Gone {
  return { schema, table, column: number === 0 ? undefined : column };
}

async function countRows(
  database: Database,
  gone: readonly (Gone & { readonly now: Gone; readonly tag: string; readonly segment: number })[],
): Promise<readonly PlacedLoss[]> {
  const { sql } = database;
  const send = (text: string) =>
    sql.unsafe(text).catch((cause: unknown) => {
      throw explain({ sql: text }, cause, database);
    });
  // Rows that a policy hides from this role would not be counted, and yet be dropped: with this, asking for them fails.
  const [, ...counts] = await Promise.all([
    send("set row_security = off"),
    ...gone.map(({ now }) => send(`select count(*)::text as rows from ${tableOf(now)}${whereOf(now)}`)),
    send("reset row_security"),
  ]);
  return gone.map(({ now: _, ...loss }, index) => ({ ...loss, rows: Number(counts[index]?.[0]?.rows) }));
}

function tableOf({ schema, table }: Gone): string {
  return `${identifier(schema)}.${identifier(table)}`;
}

function whereOf({ column }: Gone): string {
  return column === undefined ? "" : ` where ${identifier(column)} is distinct from null`;
}
