import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";

/** A connection that says nothing: notices of DROP IF EXISTS and the like are noise in a test report. */
export function connectQuietly(url: string, max: number): postgres.Sql {
  return postgres(url, { max, onnotice: () => {}, connect_timeout: 15 });
}

/** The same server and user, another database. */
export function urlOfDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${encodeURIComponent(database)}`;
  return changed.href;
}

/**
 * Creates a database, a copy of `template` where one is given. FILE_COPY, PostgreSQL 15's other way, is the faster one
 * here: 10 to 25 ms where WAL_LOG takes 15 to 55 ms (17.10, fsync off, 15 tables, one and four workers). The servers
 * before 15 know no other way and no word for it.
 */
export async function createDatabase(
  admin: postgres.Sql,
  database: string,
  template?: string,
  versionNumber = 0,
): Promise<void> {
  const strategy = template !== undefined && versionNumber >= 150_000 ? admin`strategy file_copy` : admin``;
  const source = template === undefined ? admin`` : admin`template ${admin(template)}`;
  await retryWhileInUse(() => admin`create database ${admin(database)} ${source} ${strategy}`);
}

/** Drops a database, ending whoever is connected to it. No error when it is not there. */
export async function dropDatabase(admin: postgres.Sql, database: string): Promise<void> {
  await retryWhileInUse(() => admin`drop database if exists ${admin(database)} with (force)`);
}

/**
 * Runs a statement again while PostgreSQL says that a database is in use (55006, for at most 10 s): autovacuum looks
 * into a template, a client that was just cut connects again.
 */
export async function retryWhileInUse(statement: () => PromiseLike<unknown>): Promise<void> {
  const deadline = performance.now() + 10_000;
  for (let waitMs = 20; ; waitMs = Math.min(waitMs * 2, 500)) {
    try {
      await statement();
      return;
    } catch (error) {
      const inUse = error instanceof postgres.PostgresError && error.code === "55006";
      if (!inUse || performance.now() + waitMs > deadline) throw error;
      await sleep(waitMs);
    }
  }
}

/**
 * Drops a role with everything it owns and was granted, in whichever databases that is.
 * No error when it is not there.
 */
export async function dropRole(admin: postgres.Sql, adminUrl: string, role: string): Promise<void> {
  const places = await admin<{ database: string | null }[]>`
    select distinct d.datname as database
    from pg_shdepend s join pg_roles r on r.oid = s.refobjid left join pg_database d on d.oid = s.dbid
    where s.refclassid = 'pg_authid'::regclass and r.rolname = ${role} and (d.oid is null or d.datallowconn)`;
  for (const { database } of places) {
    const there = connectQuietly(database === null ? adminUrl : urlOfDatabase(adminUrl, database), 1);
    try {
      await there`drop owned by ${there(role)} cascade`;
    } finally {
      await there.end({ timeout: 1 });
    }
  }
  await admin`drop role if exists ${admin(role)}`;
}
