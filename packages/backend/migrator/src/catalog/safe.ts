import { identifier } from "../database/sql-text.ts";
import type { CatalogObject, ObjectId } from "./catalog.ts";
import type { Step } from "./delta.ts";
import { qualified } from "./own-sql.ts";

/** One statement of a remedy. */
export interface Statement {
  readonly sql: string;
  /** Neither rewrites a table nor keeps others from it for longer than a moment. */
  readonly safe: boolean;
  readonly losesData: boolean;
  readonly rewrites: boolean;
}

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

/** A step as it is. */
export function plainStatement(step: Step, setting: Setting): Statement {
  const rewrites = step.rewrites && !isOfMade(step, setting) && !isQuick(step, setting);
  return { sql: step.sql, safe: !rewrites, losesData: losesData(step, setting), rewrites };
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
  if (step.verb !== "alter" || !/ ALTER COLUMN .* TYPE /s.test(step.sql)) return undefined;
  const key = step.consumes.find((one) => after.get(one)?.id.kind === "column");
  const [from, to] = [before.get(key ?? ""), after.get(key ?? "")].map((object) => object?.properties.type);
  // A rebuilt enum keeps its name.
  return from === undefined || to === undefined || from === to
    ? undefined
    : { from: String(from), to: String(to) };
}

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

function isPartitioned(relation: CatalogObject | undefined): boolean {
  const key = relation?.properties.partitionKey;
  return key !== null && key !== undefined;
}

/** CONCURRENTLY, except on a partitioned table, for which PostgreSQL has no such form. */
function indexSafely(plain: Statement, verb: RegExp, partitioned: boolean): Statement {
  if (partitioned) return { ...plain, safe: false };
  return { ...plain, sql: plain.sql.replace(verb, (found) => `${found}CONCURRENTLY `), safe: true };
}

function constraintSafely(
  { id, properties }: CatalogObject,
  parent: CatalogObject | undefined,
  plain: Statement,
): readonly Statement[] {
  const type = String(properties.type);
  const def = String(properties.def);
  // A domain's, which PostgreSQL checks at once or not at all.
  if (parent?.id.kind !== "table") return [plain];
  if (properties.validated === false) return [plain];
  if (type === "p" || type === "u") return keySafely(id, def, parent, plain);
  if (type === "x" || (type === "f" && isPartitioned(parent))) return [{ ...plain, safe: false }];
  const table = `ALTER TABLE ${qualified(id.schema, id.table)}`;
  const name = identifier(id.name ?? "");
  if (/ NOT ENFORCED$/.test(def)) return [plain];
  return [
    { ...plain, sql: `${table} ADD CONSTRAINT ${name} ${def} NOT VALID`, safe: true },
    { ...plain, sql: `${table} VALIDATE CONSTRAINT ${name}`, safe: true },
  ];
}

/** The index of a key is built on the side, and only then made the constraint's. */
function keySafely(id: ObjectId, def: string, parent: CatalogObject, plain: Statement): readonly Statement[] {
  const [, kind, nulls, columns, timing = ""] =
    /^(PRIMARY KEY|UNIQUE)( NULLS NOT DISTINCT)? (\(.*\))( DEFERRABLE(?: INITIALLY DEFERRED)?)?$/s.exec(
      def,
    ) ?? [];
  // With options of its index, or WITHOUT OVERLAPS, it has no such form, or one that is too rare to be written here.
  const plainOnly =
    columns === undefined || / WITH \(| WITHOUT OVERLAPS/.test(columns) || isPartitioned(parent);
  if (plainOnly) return [{ ...plain, safe: false }];
  const table = qualified(id.schema, id.table);
  const name = identifier(id.name ?? "");
  const index = `CREATE UNIQUE INDEX CONCURRENTLY ${name} ON ${table} ${columns}${nulls ?? ""}`;
  return [
    { ...plain, sql: index, safe: true },
    {
      ...plain,
      sql: `ALTER TABLE ${table} ADD CONSTRAINT ${name} ${kind} USING INDEX ${name}${timing}`,
      safe: true,
    },
  ];
}

/** A valid CHECK spares SET NOT NULL the look at every row under its lock (PostgreSQL 12 and newer). */
function notNullSafely(plain: Statement): readonly Statement[] {
  const [, table, column] = /^(ALTER TABLE .+) ALTER COLUMN (".+"|\S+) SET NOT NULL$/s.exec(plain.sql) ?? [];
  if (table === undefined) return [plain];
  const name = identifier("migrator_not_null");
  return [
    { ...plain, sql: `${table} ADD CONSTRAINT ${name} CHECK (${column} IS NOT NULL) NOT VALID` },
    { ...plain, sql: `${table} VALIDATE CONSTRAINT ${name}` },
    plain,
    { ...plain, sql: `${table} DROP CONSTRAINT ${name}` },
  ];
}
