import { type Catalog, keyOf } from "../catalog/catalog.ts";
import { isWidening } from "../catalog/safe.ts";
import { lossOfStatement } from "../folder/down-text.ts";

/** The catalogs know more than the statement's words: what is computed, and which values another type does not hold. */
export function lossOf(statement: string, tag: string, after: Catalog, before: Catalog): string | undefined {
  const [, schema = "public", table = "", column = ""] = ALTERED.exec(statement)?.map(unquoted) ?? [];
  const key = keyOf({ kind: "column", schema, table, name: column });
  const [is, was] = [after, before].map(
    ({ objects }) => objects.find((object) => object.key === key)?.properties,
  );
  if (/^ALTER TABLE .* DROP COLUMN /s.test(statement) && (is?.generatedExpr ?? null) !== null)
    return undefined;
  if (is && was && /^ALTER TABLE .* (SET DATA )?TYPE /s.test(statement) && is.type !== was.type)
    return was.type === "text" || isWidening(String(is.type), String(was.type))
      ? undefined
      : `values of ${table}.${column} that ${was.type} cannot hold as ${is.type} can`;
  return lossOfStatement(statement, tag);
}

const NAME = '"((?:[^"]|"")+)"';
const ALTERED = new RegExp(
  `^ALTER TABLE (?:${NAME}\\.)?${NAME} (?:ALTER|DROP) COLUMN (?:IF EXISTS )?${NAME}`,
);

function unquoted(name: string | undefined): string | undefined {
  return name?.replaceAll('""', '"');
}
