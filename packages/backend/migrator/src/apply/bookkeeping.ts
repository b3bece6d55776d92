import type { LedgerName } from "../config.ts";
import type { Rows } from "../database/batch.ts";
import type { ServerFacts } from "../database/inspect.ts";
import { createLedgerSql } from "../database/ledger.ts";
import { type Call, combine } from "../database/prepared.ts";
import { showTable } from "../database/reading.ts";
import {
  createRunLogSql,
  ELAPSED_MS,
  insertDone,
  type RunRecord,
  runLogName,
  upgradeRunLogSql,
} from "../database/run-log.ts";
import { identifier } from "../database/sql-text.ts";
import type { Listener } from "../events.ts";
import type { Script } from "../folder/read.ts";
import { provenSql } from "./execute.ts";
import type { Step } from "./step-failures.ts";

/** How a run keeps its books: what is still to be made, and whether the run log can be written. */
export interface Books {
  readonly setUp: readonly Step[];
  readonly keepsHistory: boolean;
}

/**
 * What the first migration's transaction has to make: nothing that exists already, so that no privilege is needed for
 * it (a bare CREATE SCHEMA IF NOT EXISTS wants CREATE on the database even where the schema is there).
 */
export function openBooks(facts: ServerFacts, ledger: LedgerName, on: Listener): Books {
  const keepsHistory = mayKeepHistory(facts);
  if (!keepsHistory) {
    on({ type: "warning", message: `${noHistory(facts, ledger)}: times and durations are not kept` });
  }
  const setUp: Step[] = [];
  if (!facts.hasLedgerSchema) setUp.push({ sql: `create schema ${identifier(ledger.schema)}` });
  if (!facts.hasLedger) setUp.push({ sql: createLedgerSql(ledger) });
  if (!facts.hasRunLog && keepsHistory) setUp.push({ sql: createRunLogSql(ledger) });
  if (facts.runLogIsOld && keepsHistory) setUp.push({ sql: upgradeRunLogSql(ledger) });
  return { setUp, keepsHistory };
}

/** Our own statements as one step behind a file's. A role or a short timeout that the file has set is not meant for them. */
export function ownStep(after: Script, ...statements: readonly string[]): Step {
  return {
    after,
    sql: ["set local statement_timeout = 0; reset session authorization; reset role", ...statements].join(
      "; ",
    ),
  };
}

/** What ends a migration's transaction: the ledger's change, the run log's row, and the time it all took. */
export function closingOf(books: Books, ledger: LedgerName, inLedger: Call, run: RunRecord): Call {
  const record = books.keepsHistory ? insertDone(ledger, run) : ELAPSED;
  // One statement: the server plans and runs it in half the time of two. The file may have given the lock up, or something
  // else may keep the ledger as it is: a trigger, a policy.
  const took = provenSql(ledger, '(select "durationMs" from log)', [
    { sql: "exists (select from ledger)", missed: "ledger" },
  ]);
  return combine(
    "closing",
    [inLedger, record],
    (change, rest) =>
      `with ledger as (${change} returning 1), log as (${rest}) select ${took} as "durationMs"`,
  );
}

const ELAPSED: Call = {
  template: { name: "elapsed", types: [], sql: () => `select ${ELAPSED_MS} as "durationMs"` },
  values: [],
};

/** The time that the last step measured, in ms. */
export function durationOf(rows: readonly Rows[]): number {
  return Math.round(Number(rows.at(-1)?.[0]?.durationMs) * 10) / 10;
}

function noHistory({ insteadOfRunLog, role }: ServerFacts, ledger: LedgerName): string {
  return insteadOfRunLog === null
    ? `role "${role}" may not write the run log in schema "${ledger.schema}"`
    : `${showTable(runLogName(ledger))} is ${insteadOfRunLog} and no run log`;
}

function mayKeepHistory(facts: ServerFacts): boolean {
  if (facts.insteadOfRunLog !== null) return false;
  if (facts.hasRunLog) return facts.mayWriteRunLog && (facts.mayAlterRunLog || !facts.runLogIsOld);
  return !facts.hasLedgerSchema || facts.mayCreateInLedgerSchema;
}
