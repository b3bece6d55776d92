import { isWidening } from "../catalog/safe.ts";
import { identifier, literal } from "../database/sql-text.ts";
import type { Attribute, Attributes } from "./attributes.ts";
import type { RunContext } from "./context.ts";
import { freshWithin, runTransaction } from "./execute.ts";
import type { Step } from "./step-failures.ts";

/** A part of a down file that is tried. */
export interface SegmentTrial {
  readonly tag: string;
  readonly segment: number;
  readonly steps: readonly Step[];
}

/** A column as it is before a part of a down file, and after it. */
interface Narrowing {
  readonly trial: SegmentTrial;
  readonly before: Attribute;
  readonly after: Attribute;
}

/** A column of which values would be altered. */
interface Narrowed {
  readonly tag: string;
  readonly segment: number;
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  /** The type that it would get. */
  readonly narrowedTo: string;
  /** How many values. */
  readonly rows: number;
}

/**
 * Values that down files alter by giving their column a type that does not hold them: a text cut off, a number rounded.
 * Not guessed from the types: the down files are run once more in a transaction that is rolled back, and the values compared.
 * @param states of all columns before the first trial and after each
 */
export async function measureNarrowings(
  context: Pick<RunContext, "database" | "settings">,
  trials: readonly SegmentTrial[],
  states: readonly Attributes[],
): Promise<readonly Narrowed[]> {
  const narrowings = trials.flatMap((trial, index) => narrowedBetween(trial, states.slice(index), states[0]));
  if (narrowings.length === 0) return [];
  const measured = narrowings.map((one, index) => ({ ...one, answer: { sql: answerSql(index) } }));
  const steps = trials.flatMap((trial) => {
    const own = measured.filter((one) => one.trial === trial);
    const numbered = own.map((one) => ({ ...one, number: measured.indexOf(one) }));
    return [
      ...numbered.map(({ before, number }): Step => ({ sql: keepSql(before, number) })),
      ...trial.steps,
      ...numbered.map((one): Step => ({ sql: compareSql(one, one.number) })),
      ...own.map(({ answer }): Step => answer),
      freshWithin(context),
    ];
  });
  const rows = await runTransaction(context, steps, { end: "rollback" });
  return measured.flatMap(({ trial: { tag, segment }, before, after, answer }) => {
    const altered = Number(rows[steps.indexOf(answer)]?.[0]?.altered);
    const { schema, table, column } = before;
    return altered === 0
      ? []
      : [{ tag, segment, schema, table, column, narrowedTo: after.type, rows: altered }];
  });
}

/** Only what was there from the start can hold values. */
function narrowedBetween(
  trial: SegmentTrial,
  [old, now]: readonly Attributes[],
  initial: Attributes | undefined,
): readonly Narrowing[] {
  return [...(old ?? [])].flatMap(([key, before]) => {
    const after = now?.get(key);
    if (!after || !initial?.has(key) || before.typeKey === after.typeKey || before.generated) return [];
    const widened = before.type !== after.type && isWidening(before.type, after.type);
    return widened ? [] : [{ trial, before, after }];
  });
}

/** As text, so that nothing depends on a type that the down file drops. Fails where a policy hides rows from this role. */
function keepSql(before: Attribute, number: number): string {
  const values = `select ${identifier(before.column)}::text as value from ${tableOf(before)}`;
  return `set local row_security = off; create temporary table ${kept(number)} on commit drop as ${values}; reset row_security`;
}

/** Leaves the number of values that are not there any more: as the old type tells them apart, or else their texts. */
function compareSql({ before, after }: Narrowing, number: number): string {
  const count = (cast: string) =>
    literal(
      `select count(*) from (select value${cast} from ${kept(number)} except all select ${identifier(after.column)}${cast} from ${tableOf(after)}) altered`,
    );
  const lines = [
    `begin execute ${count(`::${before.type}`)} into altered;`,
    `exception when others then execute ${count("::text")} into altered; end;`,
    `perform set_config(${literal(setting(number))}, altered::text, true);`,
  ];
  return `do ${literal(`declare altered bigint; begin ${lines.join(" ")} end`)}`;
}

function answerSql(number: number): string {
  return `select current_setting(${literal(setting(number))}) as altered`;
}

function kept(number: number): string {
  return `pg_temp."migrator_kept_${number}"`;
}

function setting(number: number): string {
  return `migrator.altered_${number}`;
}

function tableOf({ schema, table }: Attribute): string {
  return `${identifier(schema)}.${identifier(table)}`;
}
