import { MigratorError } from "../errors.ts";
import type { Command, LoneKind } from "./parse.ts";
import type { Script } from "./read.ts";
import type { NumberedStatement } from "./statements.ts";

/** A piece of a file that is committed as one. */
export type Segment = TransactionalSegment | LoneStatement;

/** Statements that run in one transaction. */
export interface TransactionalSegment {
  readonly transactional: true;
  readonly statements: readonly NumberedStatement[];
}

/** A statement that PostgreSQL refuses to run in a transaction. */
export interface LoneStatement {
  readonly transactional: false;
  readonly statement: NumberedStatement;
  readonly kind: LoneKind;
}

/** Words of which one stands in every statement that cannot run in a transaction, or that ends one. */
const SUSPICIOUS =
  /\b(concurrently|vacuum|system|database|tablespace|subscription|cluster|reindex|commit|begin|start|end|rollback|abort|prepare|discard)\b/i;

/**
 * How a file is committed: one segment for most. Only files in which a suspicious word stands are parsed, with
 * PostgreSQL's own parser; a word in a comment, a string or a function's body then means nothing.
 */
export async function segmentsOf(script: Script): Promise<readonly Segment[]> {
  const numbered = script.statements.map((statement, index) => ({ ...statement, number: index + 1 }));
  if (!script.statements.some(({ sql }) => SUSPICIOUS.test(sql)))
    return [{ transactional: true, statements: numbered }];
  // Loaded only here: it takes longer than all else that a run needs.
  const { commandsOf } = await import("./parse.ts");
  const commands = (await Promise.all(numbered.map((statement) => commandsOf(statement)))).flat();
  const forbidden = commands.find(({ role }) => role === "forbidden");
  if (forbidden) throw endsTransaction(script, forbidden.statement);
  return group(commands);
}

function endsTransaction(script: Script, { sql, number, line }: NumberedStatement): MigratorError {
  return new MigratorError({
    code: "forbidden-statement",
    message: `${script.fileName}, statement ${number} of ${script.statements.length}, line ${line}: ${sql.slice(0, 40)} would undo the migration, or give its transaction or its lock away`,
    state: "nothing was changed",
    fix: "take it out; COMMIT and BEGIN may stay, they divide the file",
  });
}

function group(commands: readonly Command[]): readonly Segment[] {
  const segments: Segment[] = [];
  let open: NumberedStatement[] = [];
  const close = () => {
    if (open.length > 0) segments.push({ transactional: true, statements: open });
    open = [];
  };
  for (const { statement, role } of commands) {
    if (role === "transactional") open.push(statement);
    else close();
    if (typeof role === "object") segments.push({ transactional: false, statement, kind: role });
  }
  close();
  return segments.length > 0 ? segments : [{ transactional: true, statements: [] }];
}
