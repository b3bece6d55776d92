import { identifier } from "../database/sql-text.ts";
import type { CatalogObject } from "./catalog.ts";
import { qualified } from "./own-sql.ts";
import type { Remedy } from "./remedy.ts";
import type { Rename } from "./renames.ts";

/** Gives an object the name and the schema that it should have. All that points to it, and its rows, stay. */
export function renameBack({ expected, actual }: Rename): Remedy {
  const { id, properties } = expected;
  if (id.kind === "extension") {
    const schema = identifier(String(properties.schema));
    const sql = `ALTER EXTENSION ${identifier(id.name ?? "")} SET SCHEMA ${schema}`;
    return { sql: [sql], safe: true, losesData: false };
  }
  const [what, as] = namedIn(actual);
  const action =
    id.schema === actual.id.schema
      ? `${as} TO ${identifier(id.name ?? "")}`
      : `SET SCHEMA ${identifier(id.schema ?? "")}`;
  return { sql: [`ALTER ${what} ${action}`], safe: true, losesData: false };
}

function namedIn({ id, parent }: CatalogObject): readonly [what: string, as: string] {
  if (id.kind !== "constraint") return [`${WORDS[id.kind]} ${qualified(id.schema, id.name)}`, "RENAME"];
  const owner = WORDS[(parent ?? "").split(" ")[0] ?? ""] ?? "TABLE";
  return [`${owner} ${qualified(id.schema, id.table)}`, `RENAME CONSTRAINT ${identifier(id.name ?? "")}`];
}

const WORDS: Readonly<Record<string, string>> = {
  type: "TYPE",
  domain: "DOMAIN",
  table: "TABLE",
  foreignTable: "FOREIGN TABLE",
  sequence: "SEQUENCE",
  view: "VIEW",
  materializedView: "MATERIALIZED VIEW",
  index: "INDEX",
};
