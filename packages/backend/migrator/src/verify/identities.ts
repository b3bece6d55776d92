import type { LedgerName } from "../config.ts";
import type { Session } from "../database/session.ts";
import { literal } from "../database/sql-text.ts";

/** Something with a name. What keeps its key through a migration was kept, whatever it is called afterwards. */
export interface Named {
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

export type Kind =
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

/** What holds data, is there as before, and bears another name or is in another schema: each in words. */
export function misplaced(before: Identities, undone: Identities): readonly string[] {
  return [...undone.values()].flatMap((is) => {
    const was = before.get(is.key);
    if (!was?.holdsData || (was.name === is.name && nameOf(before, was.schema) === nameOf(undone, is.schema)))
      return [];
    const noun = is.kind === "relation" ? "table" : is.kind;
    return [`${noun} ${pathIn(before, was)} is ${pathIn(undone, is)} after the down`];
  });
}

function nameOf(all: Identities, key: string | null): string | undefined {
  return all.get(key ?? "")?.name;
}

function pathIn(all: Identities, { schema, owner, name }: Named): string {
  const around = [nameOf(all, schema), nameOf(all, owner)];
  return [...around.filter((one) => one !== undefined && one !== "public"), name].join(".");
}

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
      from pg_catalog.pg_enum e join pg_catalog.pg_type t on t.oid = enumtypid join spaces s on s.oid = typnamespace
    order by 1`;
}
