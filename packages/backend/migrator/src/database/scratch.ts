import type { ScratchSettings } from "../config.ts";
import { EXIT, MigratorError } from "../errors.ts";
import type { Listener } from "../events.ts";
import { type Database, withUrl } from "./connect.ts";
import { serverWords } from "./failures.ts";
import { identifier, literal } from "./sql-text.ts";
import { dropStandIns, makeStandIns } from "./stand-in-roles.ts";

/** Makes throw-away databases; all of them are gone when the work that they were made for has ended. */
export interface Scratch {
  /** `target`: beside the database that they are compared with. */
  readonly place: "target" | "configured" | "embedded";
  /** e.g. 17 */
  readonly major: number;
  /** Makes a database: empty, or as another of these is now. @returns its URL */
  create(template?: string): Promise<string>;
  /** Makes those of these roles that the server lacks, for as long as the databases are there. */
  ensureRoles(names: readonly string[]): Promise<void>;
}

/**
 * Has scratch databases for the length of `work`: on the target's own server where its role may create databases, else
 * where the settings say, else on the embedded server. Those that killed runs have left behind are removed first.
 * @param target URL of the database that the scratch ones are to be like; undefined where there is none
 * @throws MigratorError `no-scratch`
 */
export async function withScratch<T>(
  settings: ScratchSettings,
  target: string | undefined,
  work: (scratch: Scratch) => Promise<T>,
): Promise<T> {
  if (target !== undefined) {
    const done = await withUrl(target, async (database) =>
      (await mayCreateDatabases(database))
        ? { value: await host(database, "target", target, work) }
        : undefined,
    );
    if (done) return done.value;
  }
  const { url, embedded } = settings;
  if (url !== undefined) return withUrl(url, (database) => host(database, "configured", url, work));
  if (embedded === undefined) throw noScratch();
  const { openEmbedded } = await import("./embedded.ts");
  const server = await openEmbedded(embedded);
  try {
    return await withUrl(server.url, (database) => host(database, "embedded", server.url, work));
  } finally {
    await server.release();
  }
}

/** Says where a copy may differ from the target because its server does. @param version the target's, e.g. "17.10" */
export function warnOfMajors({ major, place }: Scratch, version: string, on: Listener): void {
  if (place === "target" || version.split(/[^0-9]/)[0] === String(major)) return;
  const message = `the scratch server is PostgreSQL ${major}, the database ${version}: differences may come from that (SCRATCH_DATABASE_URL names another server)`;
  on({ type: "warning", message });
}

/** Names of scratch databases begin so; process id and start of the session that owns them follow. */
const PREFIX = "migrator_scratch_";

async function host<T>(
  database: Database,
  place: Scratch["place"],
  href: string,
  work: (scratch: Scratch) => Promise<T>,
): Promise<T> {
  const { sql } = database;
  const [facts] = await sql.unsafe<{ name: string; major: number; locale: string }[]>(factsSql);
  if (facts === undefined) throw new Error("the server said nothing of itself");
  await dropAll(database, staleSql);
  let count = 0;
  try {
    return await work({
      place,
      major: facts.major,
      async create(template) {
        const name = `${facts.name}_${count++}`;
        const origin =
          template === undefined ? `template0 ${facts.locale}` : identifier(databaseOf(template));
        const making = sql.unsafe(`create database ${identifier(name)} template ${origin}`);
        // Nobody misses what a crash takes of it.
        const hurrying = sql
          .unsafe(`alter database ${identifier(name)} set synchronous_commit = off`)
          .catch(() => undefined);
        await making.catch((cause: unknown) => {
          throw notMade(database, cause);
        });
        await hurrying;
        return Object.assign(new URL(href), { pathname: `/${encodeURIComponent(name)}` }).href;
      },
      ensureRoles: (names) => makeStandIns(sql, names, facts.name),
    });
  } finally {
    // Where the connection is gone, the next run finds them.
    await dropAll(database, ownSql(facts.name)).catch(() => undefined);
    await dropStandIns(sql, facts.name, livingSql).catch(() => undefined);
  }
}

async function dropAll({ sql }: Database, namesSql: string): Promise<void> {
  for (const { name } of await sql.unsafe<{ name: string }[]>(namesSql)) {
    await sql.unsafe(`drop database if exists ${identifier(name)} with (force)`);
  }
}

function databaseOf(href: string): string {
  return decodeURIComponent(new URL(href).pathname.slice(1));
}

async function mayCreateDatabases({ sql }: Database): Promise<boolean> {
  const [row] = await sql.unsafe<{ may: boolean }[]>(
    "select (rolcreatedb or rolsuper) and not pg_is_in_recovery() as may from pg_catalog.pg_roles where rolname = current_user",
  );
  return row?.may ?? false;
}

const STARTED = "(extract(epoch from backend_start) * 1000)::bigint";

/** The name this session's databases begin with, and the locale that the target has: text must sort as it does there. */
const factsSql = `
  select ${literal(PREFIX)} || a.pid || '_' || ${STARTED.replace("backend_start", "a.backend_start")} as name,
    current_setting('server_version_num')::int / 10000 as major,
    format('encoding %L lc_collate %L lc_ctype %L', pg_encoding_to_char(d.encoding), d.datcollate, d.datctype)
      || case to_jsonb(d) ->> 'datlocprovider'
        when 'i' then format(' locale_provider icu icu_locale %L', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'))
        when 'b' then format(' locale_provider builtin builtin_locale %L', to_jsonb(d) ->> 'datlocale')
        else '' end as locale
  from pg_catalog.pg_stat_activity a, pg_catalog.pg_database d
  where a.pid = pg_backend_pid() and d.datname = current_database()`;

/** Those of sessions that are over. Only one's own: of others' sessions the start is not shown. */
const staleSql = `
  select datname as name from pg_catalog.pg_database d
  where starts_with(datname, ${literal(PREFIX)}) and datdba = current_user::regrole
    and not exists (select from pg_catalog.pg_stat_activity
      where starts_with(d.datname, ${literal(PREFIX)} || pid || '_' || ${STARTED} || '_'))`;

/** Names of the sessions that are there, as their databases would begin. */
const livingSql = `select ${literal(PREFIX)} || pid || '_' || ${STARTED} as name from pg_catalog.pg_stat_activity`;

function ownSql(name: string): string {
  return `select datname as name from pg_catalog.pg_database where starts_with(datname, ${literal(`${name}_`)})`;
}

function noScratch(): MigratorError {
  return new MigratorError({
    code: "no-scratch",
    message:
      "there is nowhere to make a scratch database: the role may not create databases on its server, SCRATCH_DATABASE_URL is not set, and in production the embedded server is not used",
    state: "nothing was changed",
    fix: "set SCRATCH_DATABASE_URL to a server of the same major version where the role may create databases, or grant it: ALTER ROLE <role> CREATEDB;",
    exitCode: EXIT.refused,
  });
}

function notMade({ address }: Database, cause: unknown): MigratorError {
  return new MigratorError({
    code: "no-scratch",
    message: `no scratch database could be made on ${address.host}:${address.port}`,
    details: serverWords(cause),
    state: "nothing was changed",
    fix: "the role needs CREATEDB, and the server room for a copy of the schema",
    exitCode: EXIT.refused,
    cause,
  });
}
