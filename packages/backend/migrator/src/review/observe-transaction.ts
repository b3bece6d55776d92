import { codeOf, serverWords } from "../database/failures.ts";
import type { NumberedStatement } from "../folder/statements.ts";
import { type Look, readChanged, readFacts, readScans } from "./facts.ts";
import type { LockMode } from "./locks.ts";
import type { ObservedStatement } from "./observed.ts";
import type { Watch } from "./taken.ts";
import { strongest, takeIn } from "./taken.ts";

const FAILED_BEFORE = "a statement before it in its transaction failed on the copy";
export const REACHES_BEYOND = "it reaches beyond its database (roles, other databases, server settings)";

/** Longest that a statement may take on a copy without rows, in ms. */
const LONGEST_MS = 60_000;

/** What of a statement can be run on a copy; undefined where all of it reaches beyond its database. */
export type Local = (statement: PlacedCommand) => Promise<string | undefined>;

/** A command with its place in the file, and the name of its parse node. */
export interface PlacedCommand extends NumberedStatement {
  readonly chunk: number;
  readonly type: string;
}

/** Which statements, and which transaction of their file they are. */
export interface Piece {
  readonly statements: readonly PlacedCommand[];
  readonly transaction: number;
}

/** A statement of which nothing is known yet. */
export function unobserved(
  statement: PlacedCommand,
  { transaction }: Piece,
  watch: Watch,
): ObservedStatement {
  const nothing = { locks: [], changes: [], failure: undefined, untried: undefined };
  return { ...statement, transaction, alone: false, facts: watch.facts, ...nothing };
}

/** Runs statements in one transaction, and looks after each what it has locked and done. One that fails does not end it. */
export async function observeTransaction(
  watch: Watch,
  piece: Piece,
  localOf: Local,
): Promise<readonly ObservedStatement[]> {
  const { sql } = watch.copy;
  const observed: ObservedStatement[] = [];
  const types = new Set(piece.statements.map(({ type }) => type));
  // Somebody's own savepoints would meet with ours, and what is rolled back is as it was before. And what is added to an enum
  // may be used at once where the same transaction has made it (from 17 on): to PostgreSQL a savepoint is another one.
  const careful =
    !types.has("TransactionStmt") && !(types.has("CreateEnumStmt") && types.has("AlterEnumStmt"));
  const run = careful ? runInSavepoint : runAsItIs;
  await sql.unsafe(`begin; set local statement_timeout = ${LONGEST_MS}`);
  let held: ReadonlyMap<number, LockMode> = new Map();
  // The server counts on from transaction to transaction, until it has told its statistics.
  let scans = await readScans(sql, watch.mark);
  let isOver = false;
  for (const statement of piece.statements) {
    const base = unobserved(statement, piece, watch);
    const local = await localOf(statement);
    if (isOver || local === undefined) {
      observed.push({ ...base, untried: isOver ? FAILED_BEFORE : REACHES_BEYOND });
      continue;
    }
    const seen = await run(watch, local);
    if ("code" in seen) {
      observed.push({ ...base, failure: seen });
      isOver = !careful;
      // Nothing is undone of what it has counted, nor of its locks on sequences.
      if (careful) {
        const after = await readChanged(sql, watch.mark, watch.facts);
        held = strongest(after);
        scans = new Map([...scans, ...after.scans]);
      }
      continue;
    }
    const now = strongest(seen);
    observed.push({ ...base, ...takeIn(watch, seen, { held, now, scans }) });
    held = now;
    scans = new Map([...scans, ...seen.scans]);
  }
  // Deferred constraints may fail now, on rows that the plan itself has written.
  await sql.unsafe("commit").catch((error: unknown) => {
    const last = observed.pop();
    if (last) observed.push({ ...last, failure: last.failure ?? failureOf(error) });
  });
  return observed;
}

type Failure = NonNullable<ObservedStatement["failure"]>;

/** Undone by itself where it fails. All is sent at once: a plan has many statements, and most of their time is the way. */
async function runInSavepoint({ copy: { sql }, mark, facts }: Watch, text: string): Promise<Look | Failure> {
  const sent = await Promise.allSettled([
    sql.unsafe("savepoint migrator_statement"),
    sql.unsafe(text),
    sql.unsafe("release savepoint migrator_statement"),
    readChanged(sql, mark, facts),
  ]);
  const [, , , seen] = sent;
  const failed = sent.find((one) => one.status === "rejected");
  if (failed === undefined && seen.status === "fulfilled") return seen.value;
  await sql.unsafe("rollback to savepoint migrator_statement");
  return failureOf(failed?.reason);
}

async function runAsItIs({ copy: { sql }, mark }: Watch, text: string): Promise<Look | Failure> {
  try {
    await sql.unsafe(text);
    return await readFacts(sql, mark);
  } catch (error) {
    return failureOf(error);
  }
}

export function failureOf(error: unknown): Failure {
  return { code: codeOf(error), words: serverWords(error) };
}
