import { MigratorError } from "../errors.ts";
import { keywords } from "./keywords.ts";
import type { Command, Forbidden, LoneKind } from "./parse.ts";
import type { Script } from "./read.ts";
import type { NumberedStatement } from "./statements.ts";

/** A piece of a file that is committed as one. */
export type Segment = TransactionalSegment | LoneStatement;

/** Statements that run in one transaction. */
export interface TransactionalSegment {
  readonly transactional: true;
  readonly statements: readonly NumberedStatement[];
  /** What earlier segments of the file have set for the session: SET, RESET, set_config. */
  readonly settings: readonly NumberedStatement[];
}

/** A statement that PostgreSQL refuses to run in a transaction. */
export interface LoneStatement {
  readonly transactional: false;
  readonly statement: NumberedStatement;
  readonly kind: LoneKind;
  /** As above. */
  readonly settings: readonly NumberedStatement[];
}

/** Words of which one stands in every statement that cannot run in a transaction, or that ends one. */
const SUSPICIOUS = keywords(
  ...[
    "concurrently",
    "vacuum",
    "system",
    "database",
    "tablespace",
    "subscription",
    "cluster",
    "reindex",
    "commit",
  ],
  ...["begin", "start", "end", "rollback", "abort", "prepare", "discard", "stdin", "stdout"],
);

const known = new WeakMap<Script, Promise<readonly Segment[]>>();

/**
 * How a file is committed: one segment for most. Only files in which a suspicious word stands are parsed, with
 * PostgreSQL's own parser; a word in a comment, a string or a function's body then means nothing.
 * @returns the same for the same script, so that it can be asked for before it is needed
 */
export function segmentsOf(script: Script): Promise<readonly Segment[]> {
  const segments = known.get(script) ?? divide(script);
  known.set(script, segments);
  return segments;
}

async function divide(script: Script): Promise<readonly Segment[]> {
  const numbered = script.statements.map((statement, index) => ({ ...statement, number: index + 1 }));
  if (!script.statements.some(({ sql }) => SUSPICIOUS.test(sql)))
    return [{ transactional: true, statements: numbered, settings: [] }];
  // Loaded only here: it takes longer than all else that a run needs.
  const { commandsOf } = await import("./parse.ts");
  const commands = (await Promise.all(numbered.map((statement) => commandsOf(statement)))).flat();
  for (const { statement, role } of commands) {
    if (typeof role === "object" && role.type === "forbidden") throw forbidden(script, statement, role);
  }
  return group(commands);
}

function forbidden(
  script: Script,
  { sql, number, line }: NumberedStatement,
  { reason, fix }: Forbidden,
): MigratorError {
  return new MigratorError({
    code: "forbidden-statement",
    message: `${script.fileName}, statement ${number} of ${script.statements.length}, line ${line}: ${sql.slice(0, 40)} ${reason}`,
    state: "nothing was changed",
    fix,
  });
}

const PROCEDURE = { type: "procedure" } as const;

function group(commands: readonly Command[]): readonly Segment[] {
  const segments: Segment[] = [];
  let open: NumberedStatement[] = [];
  let settings: readonly NumberedStatement[] = [];
  let newSettings: readonly NumberedStatement[] = [];
  // Between a COMMIT and a BEGIN that somebody wrote.
  let outside = false;
  const close = () => {
    if (open.length > 0) segments.push({ transactional: true, statements: open, settings });
    open = [];
    settings = [...settings, ...newSettings];
    newSettings = [];
  };
  for (const command of commands) {
    const { statement } = command;
    if (command.role === "boundary") outside = command.opens !== true;
    const role = outside && command.mayCommit ? PROCEDURE : command.role;
    if (role === "transactional") open.push(statement);
    else close();
    newSettings = [...newSettings, ...command.settings];
    if (typeof role === "object" && role.type !== "forbidden")
      segments.push({ transactional: false, statement, kind: role, settings });
  }
  close();
  return segments.length > 0 ? segments : [{ transactional: true, statements: [], settings: [] }];
}
