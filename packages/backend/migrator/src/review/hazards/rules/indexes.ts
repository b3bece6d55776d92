import type { HazardContext } from "../hazard.ts";
import { namesIn, nodesOf, tableOf } from "../nodes.ts";
import type { Found, Rule } from "../rule.ts";
import { spoken, sqlName } from "../words.ts";

export const INDEX_RULES: readonly Rule[] = [
  {
    id: "if-not-exists-over-invalid-index",
    severity: "high",
    title: "IF NOT EXISTS passes over an INVALID index",
    effect:
      "PostgreSQL finds an index of that name and builds none. No query uses the INVALID one, and where it is unique it may let duplicates in. (Of one that is built CONCURRENTLY the migrator itself drops the INVALID index first.)",
    safer: "Drop the INVALID index first.",
    find: overInvalid,
  },
];

function overInvalid(context: HazardContext): readonly Found[] {
  const { nodes, facts, before, statement, invalidIndexes } = context;
  return nodes.flatMap(({ type, node }): readonly Found[] => {
    const { if_not_exists: isLenient, concurrent, idxname } = node;
    if (type !== "IndexStmt" || isLenient !== true || typeof idxname !== "string") return [];
    // The runner sees to it.
    if (concurrent === true) return [];
    const table = tableOf(facts, node);
    if (table === undefined) return [];
    const index = { schema: table.schema, name: idxname };
    const onCopy = [...before.indexes.values()].some(({ oid, valid, table: on }) => {
      const { schema, name, kind } = before.relations.get(oid) ?? {};
      // Of a partitioned table's index, INVALID only means that not every partition has one yet.
      return !valid && kind === "i" && on === table.oid && schema === index.schema && name === index.name;
    });
    const onTarget =
      invalidIndexes?.has(`${index.schema}.${index.name}`) && !isDroppedEarlier(context, idxname);
    if (!onCopy && !onTarget) return [];
    return [
      {
        message: `${spoken(index)} is there already, but INVALID: the statement leaves it so`,
        safer: `DROP INDEX CONCURRENTLY IF EXISTS ${sqlName(index)};\n${statement.sql.replace(/;?\s*$/, "")};`,
      },
    ];
  });
}

/** The copy does not have it, so that only the text tells. */
function isDroppedEarlier({ scripts, statement }: HazardContext, index: string): boolean {
  const all = scripts.flatMap(({ statements }) => statements);
  return all
    .slice(0, all.indexOf(statement))
    .filter(({ sql }) => sql.includes(index))
    .flatMap(({ sql }) => nodesOf(sql))
    .some((node) => node.type === "DropStmt" && namesIn(node).some(({ name }) => name === index));
}
