import type { Finding } from "./finding.ts";
import { isOfData, isTimeout, type Looker, reasonOf } from "./looker.ts";
import { fromSql, keySql, type TableState } from "./tables.ts";
import { counted, showExtent } from "./words.ts";

/** One question to the target's rows. */
export interface Check {
  readonly check: string;
  readonly object: string;
  /** The earlier statement of the plan that has made what is asked about what it is. */
  readonly changedBy?: string | undefined;
  /** The earlier statement that converts the values that are asked about. */
  readonly convertedBy?: string | undefined;
  /** The earlier statement that writes to the rows that are asked about. */
  readonly writtenBy?: string | undefined;
  /**
   * There where the question needs all of a huge table: asks a part of it, which tells at once where something is wrong.
   * Else all of it is asked after everything else, in the time that is left. @returns undefined where a part does not tell
   */
  readonly glance?: ((looker: Looker) => Promise<Answer | undefined>) | undefined;
  /** @returns undefined where there is nothing worth to be told */
  ask(looker: Looker): Promise<Answer | undefined>;
}

/** What a question found. */
export interface Answer {
  readonly outcome: "passes" | "fails" | "loses" | "unknown";
  readonly message: string;
  readonly count?: number | null;
  readonly sampled?: boolean;
  readonly examples?: readonly string[];
}

/** Puts a question, and tells what comes of it, whatever that is. @throws what is not the server's answer: a lost connection */
export async function findingOf(
  looker: Looker,
  check: Check,
  ask: Check["ask"] = check.ask,
): Promise<Finding | undefined> {
  const answer = await ask(looker).catch((error: unknown) => failed(check, error));
  if (answer === undefined) return undefined;
  const { check: name, object, changedBy, writtenBy } = check;
  const isShaky = writtenBy !== undefined && answer.outcome !== "unknown";
  return {
    check: name,
    object,
    outcome: isShaky ? "depends" : answer.outcome,
    message: isShaky ? `${answer.message} now; ${writtenBy}, writes to the table before` : answer.message,
    count: answer.count ?? null,
    sampled: answer.sampled ?? false,
    examples: answer.examples ?? [],
    dependsOn: writtenBy ?? changedBy,
  };
}

function failed({ convertedBy }: Check, error: unknown): Answer {
  const reason = reasonOf(error);
  if (reason === undefined) throw error;
  if (!isOfData(error)) return { outcome: "unknown", message: `not checked: ${reason}` };
  if (convertedBy === undefined)
    return { outcome: "fails", message: `a row makes PostgreSQL say: ${reason}` };
  return {
    outcome: "unknown",
    message: `not checked: values that ${convertedBy}, converts are in the way: ${reason}`,
  };
}

/** Which rows are in the way of something. */
export interface RowQuestion {
  readonly state: TableState;
  /** SQL, true for them. */
  readonly condition: string;
  /** Whether the condition reads other tables: it then stands where PostgreSQL can join them. */
  readonly joins?: boolean;
  readonly only?: boolean;
  readonly session?: boolean;
  /** Percent of the blocks to look at. */
  readonly percent: number | undefined;
}

export interface RowAnswer {
  readonly rows: number;
  readonly bad: number;
  readonly percent: number | undefined;
  readonly examples: readonly string[];
  /** How the question was put in the end. */
  readonly from: string;
}

/** Percent of the blocks that are looked at where a whole table took too long. */
export const LESS_PERCENT = 1;

/** Counts the rows in the way and gives examples. What takes too long is asked once more of a part of the rows. */
export async function askRows(looker: Looker, question: RowQuestion): Promise<RowAnswer> {
  try {
    return await askOnce(looker, question);
  } catch (error) {
    if (!isTimeout(error) || question.percent !== undefined) throw error;
    return askOnce(looker, { ...question, percent: LESS_PERCENT });
  }
}

async function askOnce(looker: Looker, question: RowQuestion): Promise<RowAnswer> {
  const { state, condition, joins = false, only = false, percent } = question;
  const session = question.session === true || state.session;
  const from = fromSql(state, { only, percent });
  const sql = joins
    ? `select (select count(*) from ${from})::float8 as rows, (select count(*) from ${from} where ${condition})::float8 as bad`
    : `select count(*)::float8 as rows, (count(*) filter (where ${condition}))::float8 as bad from ${from}`;
  const [{ rows, bad } = { rows: 0, bad: 0 }] = await looker.ask<{ rows: number; bad: number }>(sql, session);
  const examples = bad === 0 ? [] : await askExamples(looker, state, `${from} where ${condition}`, session);
  return { rows, bad, percent, examples, from };
}

/** Keys of up to three rows; none where that takes too long. @param from what stands after FROM */
export async function askExamples(
  looker: Looker,
  state: TableState,
  from: string,
  session: boolean,
): Promise<readonly string[]> {
  const key = keySql(state);
  if (key === undefined) return [];
  const order = state.keys.map(({ name }) => `"${name}"`).join(", ");
  // Put into words only after the three are found: that costs more than to find them.
  const sql = `select ${key} as example from (select ${order} from ${from} order by ${order} limit 3) as found order by ${order}`;
  const rows = await looker.ask<{ example: string }>(sql, session).catch((error: unknown) => {
    if (reasonOf(error) === undefined) throw error;
    return [];
  });
  return rows.map(({ example }) => example);
}

/** The answer to a question for rows in the way. @param words what is said of them: "have no x", "has no x" for one */
export function tell(
  { rows, bad, percent, examples }: RowAnswer,
  words: {
    readonly bad: "fails" | "loses";
    readonly one: string;
    readonly many: string;
    readonly none: string;
  },
): Answer {
  const sampled = percent !== undefined;
  const extent = showExtent(rows, percent);
  if (rows === 0 && !sampled) return { outcome: "passes", message: "checked: the table is empty", count: 0 };
  if (bad === 0)
    return { outcome: "passes", message: `checked: ${words.none} in ${extent}`, count: 0, sampled };
  const subject =
    bad < rows
      ? `${bad.toLocaleString("en-US")} of ${counted(rows, "row")}`
      : rows === 1
        ? "the only row"
        : `all ${counted(rows, "row")}`;
  const sample = sampled ? ` in a sample of ${percent} %` : "";
  const message = `${subject}${sample} ${bad === 1 ? words.one : words.many}`;
  return { outcome: words.bad, message, count: bad, sampled, examples };
}
