// What pg-delta does not read, in objects of our own kinds. Each query gives rows {kind, parent, …parts of the id, value};
// a thing that is as PostgreSQL makes it by itself is no object, so that a changed setting is one that is there or not.
import type { Ask } from "./answers.ts";
import { type CatalogObject, keyOf, type ObjectId, type Properties } from "./catalog.ts";

/** The kinds that these queries make. */
export const OWN_KINDS: ReadonlySet<string> = new Set([
  ...[
    "statistics",
    "columnSetting",
    "indexSetting",
    "tableSetting",
    "triggerSetting",
    "constraintSetting",
    "other",
  ],
]);

const USER_SCHEMA =
  "n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'";

const USER_TABLE = `join pg_class c on c.oid = %s join pg_namespace n on n.oid = c.relnamespace and ${USER_SCHEMA}`;

function tableOf(oid: string): string {
  return USER_TABLE.replace("%s", oid);
}

const TABLE_ID = `'schema', n.nspname, 'table', c.relname`;

/**
 * Statistics objects, with the target that ALTER STATISTICS gives them (-1 before 17, NULL since). PostgreSQL's own text of
 * them names columns in the table's order, which does not count.
 */
const STATISTICS = `select 'statistics' as kind, c.relkind, n.nspname as schema, c.relname as table,
    json_build_object('schema', sn.nspname, 'name', s.stxname) as id,
    json_build_object('target', nullif(s.stxstattarget, -1), 'comment', obj_description(s.oid, 'pg_statistic_ext'),
      'def', format('CREATE STATISTICS %I.%I%s ON %s FROM %I.%I', sn.nspname, s.stxname, kinds.list, parts.list, n.nspname, c.relname)
    ) as properties
  from pg_statistic_ext s join pg_namespace sn on sn.oid = s.stxnamespace ${tableOf("s.stxrelid")}
    cross join lateral (select string_agg(part, ', ' order by part) as list, count(*) as number from (
      select quote_ident(a.attname) from pg_attribute a where a.attrelid = c.oid and a.attnum = any (s.stxkeys)
      union all select '(' || e || ')' from unnest(pg_get_statisticsobjdef_expressions(s.oid)) e) p(part)) parts
    cross join lateral (select case when count(*) < 3 and parts.number > 1 then ' (' || string_agg(name, ', ' order by name) || ')'
      else '' end as list
      from (values ('d', 'ndistinct'), ('f', 'dependencies'), ('m', 'mcv')) k(letter, name) where letter::"char" = any (s.stxkind)) kinds`;

/** How a column is stored and sampled; and that it is VIRTUAL (PostgreSQL 18), which pg-delta takes for STORED. */
const COLUMNS = `select 'columnSetting' as kind, c.relkind, n.nspname as schema, c.relname as table,
    json_build_object(${TABLE_ID}, 'name', a.attname, 'setting', v.setting) as id, json_build_object('value', v.value) as properties
  from pg_attribute a ${tableOf("a.attrelid")} and c.relkind in ('r', 'p', 'm', 'f')
    join pg_type t on t.oid = a.atttypid
    cross join lateral (values
      ('statistics', nullif(a.attstattarget, -1)::text),
      ('storage', case when a.attstorage <> t.typstorage then a.attstorage::text end),
      ('compression', nullif(a.attcompression::text, '')),
      ('generated', case when a.attgenerated = 'v' then 'virtual' end),
      ('options', (select string_agg(o, ', ' order by o) from unnest(a.attoptions) o))) v(setting, value)
  where a.attnum > 0 and not a.attisdropped and v.value is not null`;

/** Columns of partitions that part from what they inherit; pg-delta leaves inherited columns out. */
const INHERITED = `select 'columnSetting' as kind, c.relkind, n.nspname as schema, c.relname as table,
    json_build_object(${TABLE_ID}, 'name', a.attname, 'setting', v.setting) as id,
    json_build_object('value', v.value, '_inherited', pg_get_expr(e.adbin, e.adrelid)) as properties
  from pg_attribute a ${tableOf("a.attrelid")} and c.relkind in ('r', 'p')
    join pg_inherits i on i.inhrelid = a.attrelid and i.inhseqno = 1
    join pg_attribute b on b.attrelid = i.inhparent and b.attname = a.attname
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    left join pg_attrdef e on e.adrelid = b.attrelid and e.adnum = b.attnum
    cross join lateral (values
      ('default', case when pg_get_expr(d.adbin, d.adrelid) is distinct from pg_get_expr(e.adbin, e.adrelid)
        then coalesce(pg_get_expr(d.adbin, d.adrelid), '') end),
      ('nullability', case when a.attnotnull <> b.attnotnull then case when a.attnotnull then 'NOT NULL' else 'NULL' end end)) v(setting, value)
  where a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and v.value is not null`;

/** Sampling of an index's expressions. */
const INDEXES = `select 'indexSetting' as kind, c.relkind, n.nspname as schema, c.relname as table,
    json_build_object('schema', n.nspname, 'name', ic.relname, 'column', a.attnum::text) as id,
    json_build_object('value', a.attstattarget::text) as properties
  from pg_index i join pg_class ic on ic.oid = i.indexrelid ${tableOf("i.indrelid")}
    join pg_attribute a on a.attrelid = ic.oid
  where nullif(a.attstattarget, -1) is not null`;

const TABLES = `select 'tableSetting' as kind, c.relkind, n.nspname as schema, c.relname as table,
    json_build_object(${TABLE_ID}, 'setting', v.setting) as id, json_build_object('value', v.value) as properties
  from pg_class c join pg_namespace n on n.oid = c.relnamespace and ${USER_SCHEMA} and c.relkind in ('r', 'p', 'm')
    cross join lateral (values
      ('toast', (select string_agg('toast.' || o, ', ' order by o) from pg_class t, unnest(t.reloptions) o where t.oid = c.reltoastrelid)),
      ('cluster', (select ic.relname::text from pg_index i join pg_class ic on ic.oid = i.indexrelid
        where i.indrelid = c.oid and i.indisclustered)),
      ('access method', (select nullif(amname, 'heap')::text from pg_am where oid = c.relam))) v(setting, value)
  where v.value is not null`;

/** Triggers of partitions that are enabled otherwise than their parent's. */
const TRIGGERS = `select 'triggerSetting' as kind, c.relkind, n.nspname as schema, c.relname as table,
    json_build_object(${TABLE_ID}, 'name', t.tgname) as id, json_build_object('value', t.tgenabled) as properties
  from pg_trigger t ${tableOf("t.tgrelid")} join pg_trigger p on p.oid = t.tgparentid
  where not t.tgisinternal and t.tgenabled <> p.tgenabled`;

/** Foreign keys that nobody enforces, because their triggers are disabled. */
const CONSTRAINTS = `select 'constraintSetting' as kind, c.relkind, n.nspname as schema, c.relname as table,
    json_build_object(${TABLE_ID}, 'name', k.conname, 'setting', 'triggers') as id,
    json_build_object('value', 'disabled', '_triggers',
      json_agg(json_build_array(tn.nspname, tc.relname, t.tgname) order by t.tgname)) as properties
  from pg_trigger t join pg_constraint k on k.oid = t.tgconstraint ${tableOf("k.conrelid")}
    join pg_class tc on tc.oid = t.tgrelid join pg_namespace tn on tn.oid = tc.relnamespace
  where t.tgisinternal and t.tgenabled <> 'O' group by 1, 2, 3, 4, k.conname`;

/** NOT NULL that old rows may break, which there is since PostgreSQL 18; before, no row here has this type. */
const NOT_NULL = `select 'constraintSetting' as kind, c.relkind, n.nspname as schema, c.relname as table,
    json_build_object(${TABLE_ID}, 'name', a.attname, 'setting', 'not null') as id,
    json_build_object('value', 'not validated', '_constraint', k.conname) as properties
  from pg_constraint k ${tableOf("k.conrelid")} join pg_attribute a on a.attrelid = c.oid and a.attnum = k.conkey[1]
  where k.contype = 'n' and not k.convalidated`;

const QUERIES = [STATISTICS, COLUMNS, INHERITED, INDEXES, TABLES, TRIGGERS, CONSTRAINTS, NOT_NULL];

/** Reads the objects of our own kinds. @param known the keys of pg-delta's */
export async function readOwn(ask: Ask): Promise<(known: ReadonlySet<string>) => readonly CatalogObject[]> {
  const rows = (await Promise.all(QUERIES.map(ask))).flat();
  return (known) => rows.map((row) => ownObject(row, known));
}

function ownObject(row: Readonly<Record<string, unknown>>, known: ReadonlySet<string>): CatalogObject {
  const id: ObjectId = { kind: String(row.kind), ...(row.id as object) };
  const relation = { schema: String(row.schema), name: String(row.table) };
  const { schema = "", table = "", name = "" } = id;
  const candidates: readonly ObjectId[] = [
    ...(id.kind === "columnSetting" ? [{ kind: "column", schema, table, name }] : []),
    ...(id.kind === "indexSetting" ? [{ kind: "index", schema, name }] : []),
    { kind: RELATION_KINDS[String(row.relkind)] ?? "table", ...relation },
  ];
  const parent = candidates.map(keyOf).find((key) => known.has(key)) ?? null;
  return { key: keyOf(id), id, parent, properties: row.properties as Properties };
}

const RELATION_KINDS: Readonly<Record<string, string>> = { m: "materializedView", f: "foreignTable" };
