import { type CatalogObject, keyOf } from "./catalog.ts";
import type { Step } from "./delta.ts";
import {
  columnSafely,
  constraintSafely,
  indexSafely,
  isPartitioned,
  notNullSafely,
  type Statement,
} from "./safe-forms.ts";

/** What a step works on: the states before and after all steps, and the tables that they make. */
export interface Setting {
  readonly before: ReadonlyMap<string, CatalogObject>;
  readonly after: ReadonlyMap<string, CatalogObject>;
  /** Keys that are not there yet when the steps begin. */
  readonly made: ReadonlySet<string>;
}

/** A step in the form that disturbs those who use the table least, with what is left of the disturbance. */
export function inSafeForm(step: Step, setting: Setting): readonly Statement[] {
  const [made] = step.produces;
  const [gone] = step.destroys;
  const object = made === undefined ? undefined : setting.after.get(made);
  const parent = setting.after.get(object?.parent ?? "");
  const plain = plainStatement(step, setting);
  // Nobody uses a table that is only being made.
  if (isOfMade(step, setting)) return [plain];
  if (object?.id.kind === "constraint" && step.verb !== "drop" && step.sql.includes(" ADD CONSTRAINT ")) {
    return constraintSafely(object, parent, plain);
  }
  if (object?.id.kind === "index")
    return [indexSafely(plain, /^CREATE (UNIQUE )?INDEX /, isPartitioned(parent))];
  if (object?.id.kind === "column" && step.verb === "create") return columnSafely(plain);
  const dropped = gone === undefined ? undefined : setting.before.get(gone);
  if (dropped?.id.kind === "index" && step.verb === "drop") {
    return [
      indexSafely(plain, /^DROP (UNIQUE )?INDEX /, isPartitioned(setting.before.get(dropped.parent ?? ""))),
    ];
  }
  return notNullSafely(plain);
}

/** Whether a step makes a relation, or a part of one that was not there before. */
function isOfMade(step: Step, { after, made }: Setting): boolean {
  const object = after.get(step.produces[0] ?? "");
  if (step.verb === "drop" || !object) return false;
  const ofRelation = RELATIONS.has(object.id.kind) && made.has(object.key);
  return ofRelation || (object.parent !== null && made.has(object.parent));
}

const RELATIONS: ReadonlySet<string> = new Set(["table", "view", "materializedView", "foreignTable"]);

/** Whether a step does anything: pg-delta drops a default before another type also where there is none. */
export function isNeeded({ sql, consumes }: Step, { before }: Setting): boolean {
  if (!/ ALTER COLUMN .+ DROP DEFAULT$/s.test(sql)) return true;
  const columns = consumes.flatMap((key) => before.get(key) ?? []).filter(({ id }) => id.kind === "column");
  return columns.length === 0 || columns.some(({ id }) => before.has(keyOf({ ...id, kind: "default" })));
}

/** A step as it is. */
export function plainStatement(step: Step, setting: Setting): Statement {
  // Rows of a typed table are written anew with their type's attribute.
  const mayRewrite = step.rewrites || / ALTER ATTRIBUTE .* TYPE /s.test(step.sql);
  const rewrites = mayRewrite && !isOfMade(step, setting) && !isQuick(step, setting);
  // PostgreSQL ends the text of a view with a semicolon and that of a function with a line, of which whoever prints it knows nothing.
  const sql = throughText(step, setting).replace(/[\s;]+$/, "");
  return { sql, safe: !rewrites, losesData: losesData(step, setting), rewrites };
}

/** No enum can be cast to another. */
function throughText({ sql, consumes }: Step, { before, after }: Setting): string {
  if (!/ ALTER COLUMN .+ TYPE /s.test(sql) || /::text(?:\[\])?::/.test(sql)) return sql;
  const needed = consumes.map((key) => before.get(key) ?? after.get(key));
  const isEnum = needed.some((object) => object?.properties.variant === "enum");
  return isEnum ? sql.replace(/( USING ".+")::/s, "$1::text::") : sql;
}

/** Values are lost with a table, a column or an attribute, and in a cast to a narrower type. */
function losesData(step: Step, { before, after }: Setting): boolean {
  const change = typeChangeOf(step, before, after);
  if (change) return !isWidening(change.from, change.to);
  if (!step.losesData) return false;
  // What is computed can be computed again.
  const stored = step.destroys.filter((key) => {
    const object = before.get(key);
    return object?.id.kind === "column"
      ? object.properties.generatedExpr === null
      : KEEPS_ROWS.has(object?.id.kind ?? "");
  });
  return stored.length > 0;
}

const KEEPS_ROWS: ReadonlySet<string> = new Set(["table", "typeAttribute", "schema", "extension"]);

/** pg-delta calls each new default and each new type a rewrite; PostgreSQL spares it for some. */
function isQuick(step: Step, { before, after }: Setting): boolean {
  const change = typeChangeOf(step, before, after);
  if (change) return isWidening(change.from, change.to) && !NUMBERS.includes(change.from);
  const column = step.produces.map((key) => after.get(key)).find((object) => object?.id.kind === "column");
  if (!column || column.properties.generatedExpr !== null || column.properties.identity !== null)
    return false;
  const made = step.produces.map((key) => after.get(key)).find((object) => object?.id.kind === "default");
  return made === undefined || isConstant(String(made.properties.expr));
}

/** A default that is evaluated once for all rows that are there. */
export function isConstant(expression: string): boolean {
  return /^(-?\(?-?[\d.]+\)?|'(?:[^']|'')*'|true|false|NULL|now\(\)|CURRENT_(?:TIMESTAMP|DATE|TIME|USER))(::[\w\s."()[\],]+)?$/.test(
    expression,
  );
}

function typeChangeOf(
  step: Step,
  before: Setting["before"],
  after: Setting["after"],
): { readonly from: string; readonly to: string } | undefined {
  if (step.verb !== "alter" || !/ ALTER (?:COLUMN|ATTRIBUTE) .* TYPE /s.test(step.sql)) return undefined;
  const key = step.consumes.find((one) => CHANGES_TYPE.has(after.get(one)?.id.kind ?? ""));
  const [from, to] = [before.get(key ?? ""), after.get(key ?? "")].map((object) => object?.properties.type);
  // A rebuilt enum keeps its name.
  return from === undefined || to === undefined || from === to
    ? undefined
    : { from: String(from), to: String(to) };
}

const CHANGES_TYPE: ReadonlySet<string> = new Set(["column", "typeAttribute"]);

const NUMBERS: readonly string[] = ["smallint", "integer", "bigint", "numeric"];

/** Whether every value of the one type is a value of the other. */
export function isWidening(from: string, to: string): boolean {
  if (from === to) return true;
  if (NUMBERS.includes(from) && NUMBERS.includes(to)) return NUMBERS.indexOf(from) < NUMBERS.indexOf(to);
  const [old, wide] = [limited(from), limited(to)];
  if (TEXTS.includes(old.type) && TEXTS.includes(wide.type)) return old.limit <= wide.limit;
  if (old.type !== "numeric" || wide.type !== "numeric") return false;
  return (
    wide.limit === Number.POSITIVE_INFINITY ||
    (old.limit - old.scale <= wide.limit - wide.scale && old.scale === wide.scale)
  );
}

const TEXTS: readonly string[] = ["character varying", "text"];

function limited(type: string): { readonly type: string; readonly limit: number; readonly scale: number } {
  const [, name = type, limit, scale] = /^([a-z ]+)\((\d+)(?:,(\d+))?\)$/.exec(type) ?? [];
  return { type: name, limit: limit ? Number(limit) : Number.POSITIVE_INFINITY, scale: Number(scale ?? 0) };
}
