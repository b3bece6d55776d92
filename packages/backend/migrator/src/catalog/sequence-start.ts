import { identifier, literal } from "../database/sql-text.ts";
import { keyOf, type ObjectId, type Properties } from "./catalog.ts";
import type { Step } from "./delta.ts";
import { qualified } from "./own-sql.ts";
import type { Setting } from "./safe.ts";

/** A sequence, and the column that takes its values. */
interface Source {
  readonly sequence: ObjectId;
  readonly options: Properties;
  readonly column: ObjectId;
}

/** A sequence that is made for a column with rows has to go on after them: from its start it would give their values again. */
export function startSql(step: Step, setting: Setting): readonly string[] {
  const source = identitySource(step, setting) ?? sequenceSource(step, setting) ?? oldSource(step, setting);
  if (!source || !INTEGERS.has(String(setting.before.get(keyOf(source.column))?.properties.type))) return [];
  const { sequence, options, column } = source;
  const { start = "1", minValue = "1", maxValue = "1" } = options;
  const isFalling = String(options.increment).startsWith("-");
  const last = `${isFalling ? "min" : "max"}(${identifier(column.name ?? "")})`;
  const range = isFalling ? `${minValue} AND ${start}` : `${start} AND ${maxValue}`;
  const name = literal(qualified(sequence.schema, sequence.name));
  const table = qualified(column.schema, column.table);
  return [`SELECT setval(${name}, ${last}) FROM ${table} HAVING ${last} BETWEEN ${range}`];
}

const INTEGERS: ReadonlySet<string> = new Set(["smallint", "integer", "bigint"]);

function identitySource(step: Step, { after }: Setting): Source | undefined {
  if (!ADDS_IDENTITY.test(step.sql)) return undefined;
  const key = [...step.consumes, ...step.produces].find((one) => after.get(one)?.properties.identity);
  const column = after.get(key ?? "");
  const identity = column?.properties.identity as Properties | undefined;
  if (!column || !identity) return undefined;
  const sequence = { ...(identity.sequence as Properties), kind: "sequence" };
  return { sequence, options: identity.options as Properties, column: column.id };
}

const ADDS_IDENTITY = /^ALTER TABLE .+ ADD GENERATED (?:ALWAYS|BY DEFAULT) AS IDENTITY/s;

function sequenceSource(step: Step, { after }: Setting): Source | undefined {
  const made = step.verb === "create" ? after.get(step.produces[0] ?? "") : undefined;
  const column = made?.id.kind === "sequence" ? ownerOf(made.properties) : undefined;
  return made && column ? { sequence: made.id, options: made.properties, column } : undefined;
}

/** A sequence that was left over when its column became an identity has stood still since. */
function oldSource({ sql, consumes }: Step, { before, after }: Setting): Source | undefined {
  if (!/ DROP IDENTITY$/.test(sql)) return undefined;
  return [...after.values()]
    .filter(({ key, id }) => id.kind === "sequence" && before.has(key))
    .flatMap(({ id, properties }) => {
      const column = ownerOf(properties);
      return column && consumes.includes(keyOf(column))
        ? [{ sequence: id, options: properties, column }]
        : [];
    })[0];
}

function ownerOf({ ownedBy }: Properties): ObjectId | undefined {
  if (!ownedBy) return undefined;
  const { schema, table, column } = ownedBy as Properties;
  return { kind: "column", schema: String(schema), table: String(table), name: String(column) };
}

/** With the name of its sequence: the one that PostgreSQL gives may be another when this is taken, or when the table was renamed. */
export function withSequenceName(step: Step, setting: Setting): Step {
  const source = identitySource(step, setting);
  if (!source) return step;
  const name = qualified(source.sequence.schema, source.sequence.name);
  return { ...step, sql: step.sql.replace(" AS IDENTITY (", () => ` AS IDENTITY (SEQUENCE NAME ${name} `) };
}
