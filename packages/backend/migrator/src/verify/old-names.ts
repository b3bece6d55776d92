import { identifier, literal } from "../database/sql-text.ts";
import type { Identities, Kind, Named } from "./identities.ts";

/** A statement that renames or moves, and the one that takes it back. */
export interface Renaming {
  readonly sql: string;
  readonly undo: string;
}

/**
 * What gives everything that a migration renamed, or moved to another schema, its old name and place. A schema before and
 * after does not show that: PostgreSQL's numbers do. Something new that has an old name by now is put out of its way.
 */
export function renamesBack(before: Identities, after: Identities): readonly Renaming[] {
  const pairs = [...after.values()].flatMap((is) => {
    const was = before.get(is.key);
    return was && (was.name !== is.name || was.schema !== is.schema) ? [{ is, was }] : [];
  });
  const taken = new Set([...before.values(), ...after.values()].map(placeOf));
  const wanted = new Set(pairs.map(({ was }) => placeOf(was)));
  const inTheWay = [...after.values()]
    .filter((is) => !before.has(is.key) && wanted.has(placeOf(is)))
    .map((is) => ({ is, was: besideOthers(is, "new", taken) }));
  const rank = ({ is }: Change) => ORDER.indexOf(is.kind);
  const byKind = [...inTheWay, ...pairs].sort((a, b) => rank(a) - rank(b));
  return freedFirst(byKind, taken).flatMap(({ is, was }) =>
    renamings(is, was, (key) => before.get(key ?? "") ?? after.get(key ?? "")),
  );
}

/** Something as it is, and as it shall be. */
interface Change {
  readonly is: Named;
  readonly was: Named;
}

/** Two things of a kind cannot be at one place. */
function placeOf({ kind, schema, owner, name, args }: Named): string {
  return JSON.stringify([kind === "index" ? "relation" : kind, schema, owner, name, args]);
}

/** A place is left before something else takes it. In a circle, the first makes room under a name that nothing has. */
function freedFirst(changes: readonly Change[], taken: ReadonlySet<string>): readonly Change[] {
  const left = new Map(changes.map((change) => [placeOf(change.is), change]));
  return changes.flatMap((change) => {
    const chain: Change[] = [];
    for (let next: Change | undefined = change; next && left.delete(placeOf(next.is)); ) {
      chain.unshift(next);
      next = left.get(placeOf(next.was));
    }
    const [last] = chain;
    if (last === undefined || chain.length === 1 || placeOf(last.was) !== placeOf(change.is)) return chain;
    const aside = besideOthers(change.is, "aside", taken);
    return [{ is: change.is, was: aside }, ...chain.slice(0, -1), { is: aside, was: change.was }];
  });
}

/** The same under a name that nothing beside it has. */
function besideOthers(one: Named, suffix: string, taken: ReadonlySet<string>): Named {
  // A name has 63 bytes at most, and a character four.
  const start = Buffer.byteLength(one.name) > 50 ? [...one.name].slice(0, 12).join("") : one.name;
  for (let count = 1; ; count++) {
    const other = { ...one, name: `${start}_${suffix}${count === 1 ? "" : count}` };
    if (!taken.has(placeOf(other))) return other;
  }
}

/** @param old gives things with their old names, which schemas and what something is part of have by then */
function renamings(
  is: Named,
  was: Named,
  old: (key: string | null) => Named | undefined,
): readonly Renaming[] {
  const { kind } = is;
  const noun = NOUNS[kind];
  const schemaName = (key: string | null) => identifier(old(key)?.name ?? "");
  const owner = old(is.owner);
  const place = `${schemaName(owner?.schema ?? null)}.${identifier(owner?.name ?? "")}`;
  const rename = (subject: (name: string) => string): readonly Renaming[] => {
    const [from, to] = [is.name, was.name].map(kind === "value" ? literal : identifier) as [string, string];
    return from === to ? [] : [{ sql: `${subject(from)} TO ${to}`, undo: `${subject(to)} TO ${from}` }];
  };
  switch (kind) {
    case "schema":
      return rename((name) => `ALTER SCHEMA ${name} RENAME`);
    case "relation":
    case "index":
    case "type":
    case "routine": {
      // By then the types in it have their old names.
      const signature = was.args === null ? "" : `(${was.args})`;
      const move = (from: string | null, to: string | null) =>
        `ALTER ${noun} ${schemaName(from)}.${identifier(is.name)}${signature} SET SCHEMA ${schemaName(to)}`;
      // An index moves with its table, and so does the sequence of a column.
      const moves = was.schema !== is.schema && kind !== "index" && is.owner === null;
      return [
        ...(moves ? [{ sql: move(is.schema, was.schema), undo: move(was.schema, is.schema) }] : []),
        ...rename((name) => `ALTER ${noun} ${schemaName(was.schema)}.${name}${signature} RENAME`),
      ];
    }
    case "value":
      return rename((name) => `ALTER TYPE ${place} RENAME VALUE ${name}`);
    case "trigger":
    case "policy":
      return rename((name) => `ALTER ${noun} ${name} ON ${place} RENAME`);
    default:
      return rename(
        (name) => `ALTER ${kind === "attribute" ? "TYPE" : "TABLE"} ${place} RENAME ${noun} ${name}`,
      );
  }
}

const ORDER: readonly Kind[] = [
  ...(["schema", "type", "relation", "routine", "column", "attribute", "constraint", "index"] as const),
  ...(["trigger", "policy", "value"] as const),
];

const NOUNS: Readonly<Record<Kind, string>> = {
  schema: "SCHEMA",
  // ALTER TABLE takes views, sequences and materialized views as well.
  relation: "TABLE",
  index: "INDEX",
  type: "TYPE",
  routine: "ROUTINE",
  column: "COLUMN",
  attribute: "ATTRIBUTE",
  constraint: "CONSTRAINT",
  trigger: "TRIGGER",
  policy: "POLICY",
  value: "VALUE",
};
