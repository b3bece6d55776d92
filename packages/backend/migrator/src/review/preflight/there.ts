import type { Change } from "../changes.ts";
import type { Check } from "./check.ts";
import type { Moment } from "./moment.ts";
import type { Node } from "./syntax.ts";
import type { TargetFacts } from "./target.ts";
import { showName } from "./words.ts";

/** What the finding is called. */
export const DRIFT = "drift";

const BECAUSE = "the database is not what its migrations say (`migrator check` tells the rest)";

/** What the statement meets on the target is not what it met on the copy: somebody has changed the database by hand. */
export function driftedFrom(target: TargetFacts, moment: Moment): readonly Check[] {
  const { statement, changes } = moment;
  const missing = statement.locks
    .map(({ relation }) => relation)
    .filter((relation) => ["r", "p", "m", "v", "f"].includes(relation.kind) && !target.hasRelation(relation))
    .map((relation) => checkOf(showName(relation), `${showName(relation)} is not there: ${BECAUSE}`));
  if (missing.length > 0) return missing;
  return changes.flatMap((change) => driftOf(target, moment, change));
}

function driftOf(target: TargetFacts, moment: Moment, change: Change): readonly Check[] {
  const { origin, parts } = moment;
  if (change.type === "relation-created" || change.type === "index-added") {
    const { relation } = change;
    const isLenient = parts.some(({ node }) => (node as Node).if_not_exists === true);
    return target.isUnknownName(relation) && !isLenient ? [already(showName(relation))] : [];
  }
  if (!("column" in change)) return [];
  const before = target.tableBefore(change.table.oid);
  if (before === undefined || origin(change.table.oid) === undefined || !target.hasRelation(before))
    return [];
  const was = before.columns.find(({ number }) => number === change.column.number);
  if (change.type === "column-added") {
    const isNew = before.columns.every(({ name }) => name !== change.column.name);
    return isNew && target.hasColumn(before, change.column.name)
      ? [already(showName(before, change.column.name))]
      : [];
  }
  if (was === undefined || target.hasColumn(before, was.name)) return [];
  const name = showName(before, was.name);
  return [checkOf(name, `${name} is not there: ${BECAUSE}`)];
}

function already(name: string): Check {
  return checkOf(name, `${name} is there already: ${BECAUSE}`);
}

function checkOf(object: string, message: string): Check {
  return { check: DRIFT, object, ask: async () => ({ outcome: "fails", message }) };
}
