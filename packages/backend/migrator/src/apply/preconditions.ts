import type { LedgerName } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { ledgerGrants, type ServerFacts } from "../database/inspect.ts";
import { ledgerTable } from "../database/ledger.ts";
import { showTable } from "../database/reading.ts";
import { type Direction, runLogName } from "../database/run-log.ts";
import { identifier } from "../database/sql-text.ts";
import { MigratorError } from "../errors.ts";
import type { Listener } from "../events.ts";
import { errorsOf, type Problem } from "../problem.ts";

/** Finds out before any write what would make every write fail. */
export function assertWritable(
  database: Database,
  facts: ServerFacts,
  ledger: LedgerName,
  direction: Direction = "up",
): void {
  assertTakesWrites(database, facts, direction);
  const missing = missingPrivilege(facts, ledger, direction);
  if (missing) throw refuse(direction, missing);
}

/** What a run is about to do: migrate, roll back, or change rows of ledger and run log. */
type Purpose = Direction | "mend";

/** Privileges that a change of rows needs. */
export interface MendNeeds {
  readonly update: boolean;
  readonly remove: boolean;
  readonly runLog: boolean;
}

/** The same for `repair`, which needs no more than what it is about to do. */
export function assertMayMend(
  database: Database,
  facts: ServerFacts,
  ledger: LedgerName,
  { update, remove, runLog }: MendNeeds,
): void {
  assertTakesWrites(database, facts, "mend");
  const role = JSON.stringify(facts.role);
  const refuseTo = (table: LedgerName, privileges: string) => {
    const fix = `as its owner: GRANT ${privileges} ON ${ledgerTable(table)} TO ${identifier(facts.role)};`;
    const message = `role ${role} may not change rows of ${showTable(table)}`;
    return refuse("mend", { code: "permission-denied", message, fix });
  };
  if ((update && !facts.mayUpdateLedger) || (remove && !facts.mayDeleteFromLedger))
    throw refuseTo(ledger, "SELECT, UPDATE, DELETE");
  if (runLog && !facts.mayWriteRunLog) throw refuseTo(runLogName(ledger), "SELECT, INSERT, UPDATE");
}

function assertTakesWrites(database: Database, facts: ServerFacts, direction: Purpose): void {
  const { host, port } = database.address;
  if (facts.inRecovery) {
    throw refuse(direction, {
      code: "standby",
      message: `the server at ${host}:${port} is a standby (it is in recovery) and takes no writes`,
      fix: "connect to the primary (on Aurora: the cluster's writer endpoint)",
    });
  }
  if (facts.readOnly) {
    throw refuse(direction, {
      code: "read-only",
      message: `the session of role ${JSON.stringify(facts.role)} is read-only (default_transaction_read_only is on, set by: ${facts.readOnlySource})`,
      fix: readOnlyFix(facts),
    });
  }
}

/** Where PostgreSQL says the setting comes from (pg_settings.source) tells where to change it. */
function readOnlyFix({ role, database, readOnlySource }: ServerFacts): string {
  const off = "SET default_transaction_read_only = off;";
  if (readOnlySource === "client")
    return "take default_transaction_read_only out of the URL's options, or PGOPTIONS";
  if (readOnlySource === "database")
    return `use another database, or: ALTER DATABASE ${identifier(database)} ${off}`;
  if (readOnlySource === "user") return `use another role, or: ALTER ROLE ${identifier(role)} ${off}`;
  return `connect to a server that takes writes, or: ALTER ROLE ${identifier(role)} ${off}`;
}

function missingPrivilege(facts: ServerFacts, ledger: LedgerName, direction: Direction) {
  const role = JSON.stringify(facts.role);
  const code = "permission-denied";
  if (!facts.hasLedgerSchema && !facts.mayCreateSchema) {
    const [database, schema, grantee] = [facts.database, ledger.schema, facts.role].map(identifier);
    return {
      code,
      message: `role ${role} has no CREATE privilege on database ${JSON.stringify(facts.database)}, which the ledger's schema ${JSON.stringify(ledger.schema)} needs`,
      fix: `as the database's owner: GRANT CREATE ON DATABASE ${database} TO ${grantee}; or: CREATE SCHEMA ${schema} AUTHORIZATION ${grantee};`,
    };
  }
  const mayMake = facts.mayUseLedgerSchema && facts.mayCreateInLedgerSchema;
  if (facts.hasLedgerSchema && !facts.hasLedger && !mayMake) {
    return {
      code,
      message: `role ${role} has no CREATE privilege on schema ${JSON.stringify(ledger.schema)}, which the ledger needs`,
      fix: `as the schema's owner: ${ledgerGrants(facts, ledger)}`,
    };
  }
  if (facts.hasLedger && !(facts.mayWriteLedger && (direction === "up" || facts.mayDeleteFromLedger))) {
    return {
      code,
      message: `role ${role} may not write the ledger ${ledger.schema}.${ledger.table}`,
      fix: `as its owner: ${ledgerGrants(facts, ledger)}`,
    };
  }
  return undefined;
}

/** Refuses while folder and ledger disagree. All of it is said at once, the warnings before the refusal. */
export function assertNoErrors(problems: readonly Problem[], on: Listener): void {
  const errors = errorsOf(problems);
  const [first] = errors;
  if (first === undefined) return;
  on({ type: "problems", problems: problems.filter((problem) => !errors.includes(problem)) });
  throw new MigratorError({
    code: errors.length === 1 ? first.code : "problems",
    message: errors.length === 1 ? first.message : `${errors.length} problems in folder and ledger`,
    details:
      errors.length === 1
        ? []
        : errors.flatMap((error) => [`${error.code}: ${error.message}`, `  fix: ${error.fix}`]),
    state: "nothing was applied",
    fix: errors.length === 1 ? first.fix : "mend each as said above",
  });
}

const UNDONE: Readonly<Record<Purpose, string>> = { up: "applied", down: "rolled back", mend: "changed" };

function refuse(purpose: Purpose, facts: { code: string; message: string; fix: string }): MigratorError {
  return new MigratorError({ ...facts, state: `nothing was ${UNDONE[purpose]}` });
}
