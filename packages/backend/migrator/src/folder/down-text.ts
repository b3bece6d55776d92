import type { Script } from "./read.ts";

/** What a down file is made of. */
export interface DownParts {
  readonly statements: readonly string[];
  /** Why there are none: then a person has to write them. */
  readonly reason?: string | undefined;
  /** Where the statements come from; the reversed snapshots unless said. */
  readonly origin?: "snapshots" | "catalogs" | undefined;
  /** What a statement loses. The snapshots' words are not enough to tell for all. */
  readonly lossOf?: ((statement: string) => string | undefined) | undefined;
  /** What is lost beside that. */
  readonly loses?: readonly string[] | undefined;
}

/** A down file's text. */
export function downText(tag: string, parts: DownParts): string {
  const { statements, reason, origin = "snapshots", loses = [] } = parts;
  const lossOf = parts.lossOf ?? ((statement) => lossOfStatement(statement, tag));
  const from = origin === "snapshots" ? "the reversed snapshots" : "the schema before and after it";
  const head = [
    `-- Undoes ${tag}. Drafted from ${from}: read it before you need it.`,
    ...(reason === undefined ? [] : [markOf("unfinished", reason)]),
    ...loses.map((what) => markOf("loses", what)),
  ];
  const body = statements.map((statement) => {
    const loss = lossOf(statement);
    const sql = statement.trimEnd();
    return `${loss === undefined ? "" : `${markOf("loses", loss)}\n`}${sql.endsWith(";") ? sql : `${sql};`}`;
  });
  return `${[...head, ...(body.length === 0 ? [] : [body.join("\n--> statement-breakpoint\n")])].join("\n")}\n`;
}

/** A line that says something of the file; it ends with its line. */
export function markOf(mark: "unfinished" | "unproved" | "loses", text: string): string {
  return `-- ${mark}: ${text.replaceAll(/\s*\n\s*/g, " ").trim()}`;
}

const NAME = '"(?:[^"]|"")+"';
const RELATION = `(?:IF (?:NOT )?EXISTS )?((?:${NAME}\\.)?${NAME})`;
const DROP_TABLE = new RegExp(`^DROP TABLE ${RELATION}`);
const CREATE_TABLE = new RegExp(`^CREATE TABLE ${RELATION}`);
const DROP_COLUMN = new RegExp(`^ALTER TABLE ${RELATION} DROP COLUMN ${RELATION}`);
const ADD_COLUMN = new RegExp(`^ALTER TABLE ${RELATION} ADD COLUMN ${RELATION}`);

/** What a statement of a draft takes along, in words; undefined for nothing. Drafts quote all names. */
export function lossOfStatement(statement: string, tag: string): string | undefined {
  const [, dropped] = DROP_TABLE.exec(statement) ?? [];
  if (dropped) return `table ${shown(dropped)} with its rows`;
  const [, made] = CREATE_TABLE.exec(statement) ?? [];
  if (made) return `the rows that table ${shown(made)} had before ${tag}: it comes back empty`;
  const [, table, column] = DROP_COLUMN.exec(statement) ?? [];
  if (table && column) return `column ${shown(table)}.${shown(column)} with its values`;
  const [, owner, added] = ADD_COLUMN.exec(statement) ?? [];
  if (owner && added && !/ GENERATED ALWAYS AS (?!IDENTITY)/.test(statement))
    return `the values that column ${shown(owner)}.${shown(added)} had before ${tag}: it comes back without`;
  return undefined;
}

/** A quoted name as people read it. */
function shown(name: string): string {
  return name.replace(/^"public"\./, "").replaceAll(new RegExp(NAME, "g"), (part) => {
    const bare = part.slice(1, -1).replaceAll('""', '"');
    return /^[a-z_][a-z0-9_$]*$/.test(bare) ? bare : part;
  });
}

/** What a migration does to rows, which no schema shows. */
export function dataChangesOf(up: Script): readonly string[] {
  const changes = up.statements.some(({ sql }) => CHANGES_ROWS.test(withoutComments(sql)));
  return changes ? [`nothing that is there, but what ${up.fileName} did to rows stays done`] : [];
}

const CHANGES_ROWS = /(^|;)\s*(insert|update|delete|merge|truncate|copy|with|do)\b/i;

/** Whether there is any SQL in it. */
export function isEmptyScript({ statements }: Pick<Script, "statements">): boolean {
  return statements.every(({ sql }) => withoutComments(sql).replaceAll(";", "").trim() === "");
}

function withoutComments(sql: string): string {
  return sql.replaceAll(/--[^\n]*|\/\*[\s\S]*?\*\//g, "");
}
