import type { Session } from "../database/session.ts";

/** Gives a text that is the same as before only where the schema is the same; where it is another one, it still may be. */
export type Fingerprint = () => Promise<string>;

/**
 * Fingerprints of a database: of its system catalogs' rows as they are, so that two alike mean two equal schemas. That
 * takes the server a tenth of what reading the schema takes, and its client nothing. Objects made anew have other numbers
 * and give another fingerprint: then the schemas have to be read and compared.
 */
export async function openFingerprint(sql: Session): Promise<Fingerprint> {
  const [start] = await sql.unsafe<{ xid: string }[]>("select pg_current_xact_id()::xid::text as xid");
  const catalogs = await sql.unsafe<{ name: string; columns: readonly string[] | string }[]>(CATALOGS);
  const parts = catalogs.map(({ name, columns }) =>
    partOf(name, String(columns).split(","), start?.xid ?? "3"),
  );
  const text = `select md5(string_agg(part, ',' order by part)) as print from (${parts.join(" union all ")}) parts`;
  return async () => {
    const [row] = await sql.unsafe<{ print: string }[]>(text);
    if (!row?.print) throw new Error("the server gave no fingerprint");
    return row.print;
  };
}

/** Rows that were there before the first migration are counted; one that is changed is a new one to PostgreSQL. */
function partOf(catalog: string, columns: readonly string[], startXid: string): string {
  const shown = columns.map((column) => `quote_nullable(t."${column}"::text)`).join(", ");
  const from = `from pg_catalog."${catalog}" t where ${WHERE[catalog] ?? "true"}`;
  return [
    `select '${catalog} ' || count(*) as part ${from}`,
    `select '${catalog}' || md5(concat_ws(',', ${shown})) ${from} and age(t.xmin) <= age('${startXid}'::xid)`,
  ].join(" union all ");
}

/**
 * A dropped column leaves a row that means nothing. A default that is set again has another number and is the same; what it
 * depends on stands in its expression.
 */
const WHERE: Readonly<Record<string, string>> = {
  pg_attribute: "not t.attisdropped",
  pg_depend: "'pg_catalog.pg_attrdef'::regclass not in (t.classid, t.refclassid)",
};

/** Catalogs of data and not of a schema. */
const SKIPPED = ["pg_statistic", "pg_statistic_ext_data", "pg_largeobject", "pg_largeobject_metadata"];

/** What PostgreSQL changes by itself, where rows are kept, and its own numbers. */
const VOLATILE = [
  ...[
    "oid",
    "relfilenode",
    "relpages",
    "reltuples",
    "relallvisible",
    "relallfrozen",
    "relfrozenxid",
    "relminmxid",
  ],
  ...[
    "relnatts",
    "relhasindex",
    "relhasrules",
    "relhastriggers",
    "relhassubclass",
    "reltoastrelid",
    "relrewrite",
  ],
  ...["attcacheoff", "atthasmissing", "attmissingval", "indcheckxmin"],
];

const listOf = (names: readonly string[]) => names.map((name) => `'${name}'`).join(", ");

const CATALOGS = `
  select c.relname as name, string_agg(a.attname, ',' order by a.attnum) as columns
  from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid
  where c.relnamespace = 'pg_catalog'::regnamespace and c.relkind = 'r' and not c.relisshared and a.attnum > 0
    and c.relname not in (${listOf(SKIPPED)}) and a.attname not in (${listOf(VOLATILE)}) and not a.attisdropped
    and has_table_privilege(c.oid, 'select')
  group by 1`;
