import type { LedgerName } from "../config.ts";
import type { Session } from "../database/session.ts";
import { identifier, literal } from "../database/sql-text.ts";

/** Something with a name. What keeps its key through a migration was kept, whatever it is called afterwards. */
interface Named {
  /** PostgreSQL's own number for it (for a column: the table's and its own). */
  readonly key: string;
  readonly kind: Kind;
  readonly name: string;
  /** Keys of the schema and of the relation (for an enum's value: the type) that it is in. */
  readonly schema: string | null;
  readonly owner: string | null;
  /** Of a function: its arguments. */
  readonly args: string | null;
  /** Tables, columns that are not computed, and enum values. */
  readonly holdsData: boolean;
}

type Kind =
  | "schema"
  | "relation"
  | "index"
  | "type"
  | "routine"
  | "column"
  | "attribute"
  | "constraint"
  | "trigger"
  | "policy"
  | "value";

/** Everything in a database that can be renamed, by key. */
export type Identities = ReadonlyMap<string, Named>;

export async function readIdentities(sql: Session, { schema }: LedgerName): Promise<Identities> {
  const rows = await sql.unsafe<Named[]>(identitiesSql(schema));
  return new Map(rows.map((row) => [row.key, row]));
}

/** How many tables, columns and enum values a down took away and made anew, which the up had left in place. */
export function countRemade(before: Identities, after: Identities, undone: Identities): number {
  const kept = [...before.values()].filter(({ key, holdsData }) => holdsData && after.has(key));
  return kept.filter(({ key }) => !undone.has(key)).length;
}

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
  const wanted = new Set(pairs.map(({ is, was }) => placeOf(is.kind, was)));
  const inTheWay = [...after.values()]
    .filter((is) => !before.has(is.key) && wanted.has(placeOf(is.kind, is)))
    .map((is) => ({ is, was: { ...is, name: `${is.name}_${NEW}` } }));
  const rank = ({ is }: { readonly is: Named }) => ORDER.indexOf(is.kind);
  const inOrder = [...inTheWay, ...pairs].sort((a, b) => rank(a) - rank(b));
  return inOrder.flatMap(({ is, was }) =>
    renamings(is, was, (key) => before.get(key ?? "") ?? after.get(key ?? "")),
  );
}

/** What is dropped next is called so for a moment. */
const NEW = "new";

/** Two things of a kind cannot be at one place. */
function placeOf(kind: Kind, { schema, owner, name }: Named): string {
  return JSON.stringify([kind === "index" ? "relation" : kind, schema, owner, name]);
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
      const signature = is.args === null ? "" : `(${is.args})`;
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

/** Not what comes along by itself: indexes of constraints, row types, the parts of partitions, what is internal. */
function identitiesSql(ledgerSchema: string): string {
  const leaveOut = ledgerSchema === "public" ? "" : `and nspname <> ${literal(ledgerSchema)}`;
  return `
    with spaces as (select oid, nspname from pg_catalog.pg_namespace
      where nspname !~ '^pg_' and nspname <> 'information_schema' ${leaveOut}),
    relations as (select c.* from pg_catalog.pg_class c join spaces s on s.oid = c.relnamespace)
    select 'n' || oid as key, 'schema' as kind, nspname as name, null as schema, null as owner, null as args, false as "holdsData" from spaces
    union all select 'r' || c.oid, case when relkind in ('i', 'I') then 'index' else 'relation' end, relname, 'n' || relnamespace,
        (select 'r' || d.refobjid from pg_catalog.pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
          and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i') and relkind = 'S' limit 1), null, relkind in ('r', 'p')
      from relations c where relkind in ('r', 'p', 'v', 'm', 'S', 'f')
        or relkind in ('i', 'I') and not relispartition and not exists (select from pg_catalog.pg_constraint where conindid = c.oid and contype in ('p', 'u', 'x'))
    union all select 't' || t.oid, 'type', typname, 'n' || typnamespace, null, null, false
      from pg_catalog.pg_type t join spaces s on s.oid = typnamespace left join pg_catalog.pg_class c on c.oid = typrelid
      where typtype in ('e', 'd', 'r') or c.relkind = 'c'
    union all select 'f' || p.oid, 'routine', proname, 'n' || pronamespace, null, pg_get_function_identity_arguments(p.oid), false
      from pg_catalog.pg_proc p join spaces s on s.oid = pronamespace
      where not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype in ('e', 'i'))
    union all select 'r' || attrelid || '.' || attnum, case relkind when 'c' then 'attribute' else 'column' end, attname, null,
        case relkind when 'c' then 't' || reltype else 'r' || attrelid end, null, relkind in ('r', 'p') and attgenerated = ''
      from pg_catalog.pg_attribute join relations c on c.oid = attrelid
      where attnum > 0 and not attisdropped and attinhcount = 0 and relkind in ('r', 'p', 'v', 'm', 'f', 'c')
    union all select 'c' || k.oid, 'constraint', conname, null, 'r' || conrelid, null, false
      from pg_catalog.pg_constraint k join relations c on c.oid = conrelid where conislocal and coninhcount = 0 and contype in ('c', 'f', 'p', 'u', 'x')
    union all select 'g' || g.oid, 'trigger', tgname, null, 'r' || tgrelid, null, false
      from pg_catalog.pg_trigger g join relations c on c.oid = tgrelid where not tgisinternal and tgparentid = 0
    union all select 'p' || p.oid, 'policy', polname, null, 'r' || polrelid, null, false
      from pg_catalog.pg_policy p join relations c on c.oid = polrelid
    union all select 'e' || e.oid, 'value', enumlabel, null, 't' || enumtypid, null, true
      from pg_catalog.pg_enum e join pg_catalog.pg_type t on t.oid = enumtypid join spaces s on s.oid = typnamespace`;
}
