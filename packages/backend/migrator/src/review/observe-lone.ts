import type { LoneKind } from "../folder/parse.ts";
import { readFacts } from "./facts.ts";
import {
  failureOf,
  type Local,
  observeTransaction,
  type Piece,
  REACHES_BEYOND,
  unobserved,
} from "./observe-transaction.ts";
import type { ObservedStatement } from "./observed.ts";
import type { Watch } from "./taken.ts";
import { takeIn } from "./taken.ts";
import { watchLone } from "./watch-lone.ts";

/** SQLSTATE of what refuses to be in a transaction, or ends it. */
const NOT_INSIDE = new Set(["25001", "2D000"]);

/**
 * Runs a statement that a run has outside of any transaction: in one where it may be, since more is seen there.
 * @param piece holds it alone
 */
export async function observeLone(
  watch: Watch,
  piece: Piece,
  kind: LoneKind,
  localOf: Local,
): Promise<readonly ObservedStatement[]> {
  const [statement] = piece.statements;
  if (statement === undefined) return [];
  const base = { ...unobserved(statement, piece, watch), alone: true };
  const local = await localOf(statement);
  if (local === undefined) return [{ ...base, untried: REACHES_BEYOND }];
  const inside = await observeTransaction(watch, piece, localOf);
  if (!inside.some(({ failure }) => NOT_INSIDE.has(failure?.code ?? "")))
    return inside.map((one) => ({ ...one, alone: true }));
  try {
    const now = await watchLone(watch.copy, local, [...watch.facts.relations.values()]);
    const seen = await readFacts(watch.copy.sql, watch.mark);
    const effect = takeIn(watch, seen, { held: new Map(), now, scans: new Map() });
    // Its transactions are over, and with them what they counted: whoever builds an index reads its table.
    const scans = kind.type === "create-index" || kind.type === "reindex-concurrently";
    return [{ ...base, ...effect, locks: effect.locks.map((lock) => ({ ...lock, scans })) }];
  } catch (error) {
    return [{ ...base, failure: failureOf(error) }];
  }
}
