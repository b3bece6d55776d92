import { identifier, literal } from "../database/sql-text.ts";
import type { CatalogObject, Json, ObjectId } from "./catalog.ts";

/** What turns an object of our own kinds into another, or makes it, or takes it away. */
export function ownSql(
  before: CatalogObject | undefined,
  after: CatalogObject | undefined,
): readonly string[] {
  const object = after ?? before;
  if (!object) return [];
  if (object.id.kind === "statistics") return statisticsSql(before, after);
  const maker = MAKERS[object.id.kind];
  return maker ? maker(object.id, before?.properties, after?.properties) : [];
}

type Known = Readonly<Record<string, Json>> | undefined;
type Maker = (id: ObjectId, before: Known, after: Known) => readonly string[];

const MAKERS: Readonly<Record<string, Maker>> = {
  columnSetting: (id, before, after) => {
    const column = `ALTER TABLE ${relation(id)} ALTER COLUMN ${identifier(id.name ?? "")}`;
    const actions =
      id.setting === "default"
        ? [defaultSql(after === undefined ? before?._inherited : after.value)]
        : columnSql(String(id.setting), textOf(before), textOf(after));
    return actions.map((action) => `${column} ${action}`);
  },
  indexSetting: (id, _, after) => [
    `ALTER INDEX ${qualified(id.schema, id.name)} ALTER COLUMN ${id.column} SET STATISTICS ${textOf(after) ?? "-1"}`,
  ],
  tableSetting: (id, before, after) =>
    tableSql(String(id.setting), textOf(before), textOf(after)).map(
      (action) => `ALTER TABLE ${relation(id)} ${action}`,
    ),
  triggerSetting: (id, before, after) => {
    // Without a setting of its own it follows its parent's, which the parent's own difference restores.
    const state = textOf(after) ?? (textOf(before) === "D" ? "O" : "D");
    return [`ALTER TABLE ${relation(id)} ${ENABLING[state]} TRIGGER ${identifier(id.name ?? "")}`];
  },
  constraintSetting: (id, before, after) => {
    if (id.setting === "not null") {
      return after
        ? []
        : [`ALTER TABLE ${relation(id)} VALIDATE CONSTRAINT ${identifier(String(before?._constraint))}`];
    }
    const triggers = (before ?? after)?._triggers as readonly (readonly [string, string, string])[];
    const action = after ? "DISABLE" : "ENABLE";
    return triggers.map(
      ([schema, table, name]) =>
        `ALTER TABLE ${qualified(schema, table)} ${action} TRIGGER ${identifier(name)}`,
    );
  },
};

const ENABLING: Readonly<Record<string, string>> = {
  O: "ENABLE",
  D: "DISABLE",
  R: "ENABLE REPLICA",
  A: "ENABLE ALWAYS",
};

function columnSql(
  setting: string,
  before: string | undefined,
  after: string | undefined,
): readonly string[] {
  switch (setting) {
    case "statistics":
      return [`SET STATISTICS ${after ?? "-1"}`];
    case "storage":
      return [`SET STORAGE ${STORAGES[after ?? ""] ?? "DEFAULT"}`];
    case "compression":
      return [`SET COMPRESSION ${COMPRESSIONS[after ?? ""] ?? "default"}`];
    case "generated":
      return [];
    case "options":
      return optionsSql(before, after);
    default:
      return [
        (after ?? (before === "NULL" ? "NOT NULL" : "NULL")) === "NULL" ? "DROP NOT NULL" : "SET NOT NULL",
      ];
  }
}

/** A partition's column without a default of its own has its parent's. */
function defaultSql(expression: Json | undefined): string {
  return expression ? `SET DEFAULT ${expression}` : "DROP DEFAULT";
}

const STORAGES: Readonly<Record<string, string>> = { p: "PLAIN", e: "EXTERNAL", m: "MAIN", x: "EXTENDED" };
const COMPRESSIONS: Readonly<Record<string, string>> = { p: "pglz", l: "lz4" };

function tableSql(setting: string, before: string | undefined, after: string | undefined): readonly string[] {
  if (setting === "toast") return optionsSql(before, after);
  if (setting === "cluster") return [after ? `CLUSTER ON ${identifier(after)}` : "SET WITHOUT CLUSTER"];
  return [`SET ACCESS METHOD ${identifier(after ?? "heap")}`];
}

/** Options come as `name=value, name=value`. */
function optionsSql(before: string | undefined, after: string | undefined): readonly string[] {
  const names = (text: string | undefined) =>
    text ? text.split(", ").map((option) => option.split("=")[0]) : [];
  const gone = names(before).filter((name) => !names(after).includes(name));
  return [...(gone.length > 0 ? [`RESET (${gone.join(", ")})`] : []), ...(after ? [`SET (${after})`] : [])];
}

function statisticsSql(
  before: CatalogObject | undefined,
  after: CatalogObject | undefined,
): readonly string[] {
  const { schema, name } = (after ?? before)?.id ?? {};
  const statistics = qualified(schema, name);
  const was = before?.properties;
  const is = after?.properties;
  const made = is !== undefined && was?.def !== is.def;
  return [
    ...(was && was.def !== is?.def ? [`DROP STATISTICS ${statistics}`] : []),
    ...(made ? [String(is.def)] : []),
    ...(is && (made ? is.target !== null : was?.target !== is.target)
      ? [`ALTER STATISTICS ${statistics} SET STATISTICS ${is.target ?? -1}`]
      : []),
    ...(is && (made ? is.comment !== null : was?.comment !== is.comment)
      ? [
          `COMMENT ON STATISTICS ${statistics} IS ${is.comment === null ? "NULL" : literal(String(is.comment))}`,
        ]
      : []),
  ];
}

function textOf(properties: Known): string | undefined {
  return properties === undefined ? undefined : String(properties.value);
}

function relation(id: ObjectId): string {
  return qualified(id.schema, id.table);
}

/** `"schema"."name"` */
export function qualified(schema: string | undefined, name: string | undefined): string {
  return `${identifier(schema ?? "")}.${identifier(name ?? "")}`;
}
