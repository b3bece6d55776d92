import type { LedgerName } from "../config.ts";
import type { Database } from "../database/connect.ts";
import type { ServerFacts } from "../database/inspect.ts";
import { identifier } from "../database/sql-text.ts";
import { MigratorError } from "../errors.ts";
import { errorsOf, type Problem } from "../problem.ts";

/** Finds out before any write what would make every write fail. */
export function assertWritable(database: Database, facts: ServerFacts, ledger: LedgerName): void {
  const { host, port } = database.address;
  if (facts.inRecovery) {
    throw refuse({
      code: "standby",
      message: `the server at ${host}:${port} is a standby (it is in recovery) and takes no writes`,
      fix: "connect to the primary (on Aurora: the cluster's writer endpoint)",
    });
  }
  if (facts.readOnly) {
    throw refuse({
      code: "read-only",
      message: `the session of role ${JSON.stringify(facts.role)} is read-only (default_transaction_read_only is on)`,
      fix: `use another role, or: ALTER ROLE ${identifier(facts.role)} SET default_transaction_read_only = off;`,
    });
  }
  const missing = missingPrivilege(facts, ledger);
  if (missing) throw refuse(missing);
}

function missingPrivilege(facts: ServerFacts, ledger: LedgerName) {
  const role = JSON.stringify(facts.role);
  const to = `TO ${identifier(facts.role)};`;
  const schema = identifier(ledger.schema);
  const code = "permission-denied";
  if (!facts.hasLedgerSchema && !facts.mayCreateSchema) {
    return {
      code,
      message: `role ${role} has no CREATE privilege on database ${JSON.stringify(facts.database)}, which the ledger's schema ${JSON.stringify(ledger.schema)} needs`,
      fix: `as the database's owner: GRANT CREATE ON DATABASE ${identifier(facts.database)} ${to} or: CREATE SCHEMA ${schema} AUTHORIZATION ${identifier(facts.role)};`,
    };
  }
  if (facts.hasLedgerSchema && !facts.hasLedger && !facts.mayCreateInLedgerSchema) {
    return {
      code,
      message: `role ${role} has no CREATE privilege on schema ${JSON.stringify(ledger.schema)}, which the ledger needs`,
      fix: `as the schema's owner: GRANT USAGE, CREATE ON SCHEMA ${schema} ${to}`,
    };
  }
  if (facts.hasLedger && !facts.mayWriteLedger) {
    return {
      code,
      message: `role ${role} may not write the ledger ${ledger.schema}.${ledger.table}`,
      fix: `as its owner: GRANT SELECT, INSERT, DELETE ON ${schema}.${identifier(ledger.table)} ${to} GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${schema} ${to}`,
    };
  }
  return undefined;
}

/** Refuses while folder and ledger disagree. All of it is said at once. */
export function assertNoErrors(problems: readonly Problem[]): void {
  const errors = errorsOf(problems);
  const [first] = errors;
  if (first === undefined) return;
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

function refuse(facts: { code: string; message: string; fix: string }): MigratorError {
  return new MigratorError({ ...facts, state: "nothing was applied" });
}
