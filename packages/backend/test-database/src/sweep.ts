import type postgres from "postgres";
import { dropDatabase, dropRole } from "./admin.ts";
import { PREFIX } from "./names.ts";

/**
 * Drops the databases and then the roles of test runs whose name `chosen` accepts, and gives their number.
 * Names without the prefix of test runs are never asked about. Runs that sweep one server at the same time take turns.
 */
export async function sweep(
  admin: postgres.Sql,
  adminUrl: string,
  chosen: (name: string) => boolean,
): Promise<number> {
  // Two sessions that drop one database at once end in an error for one of them. The lock goes with the caller's session.
  await admin`select pg_advisory_lock(hashtextextended(${PREFIX}, 0))`;
  const databases = await admin<{ name: string }[]>`
    select datname as name from pg_database where starts_with(datname, ${PREFIX})`;
  const roles = await admin<
    { name: string }[]
  >`select rolname as name from pg_roles where starts_with(rolname, ${PREFIX})`;
  const oldDatabases = databases.filter(({ name }) => chosen(name));
  const oldRoles = roles.filter(({ name }) => chosen(name));
  for (const { name } of oldDatabases) await dropDatabase(admin, name);
  for (const { name } of oldRoles) await dropRole(admin, adminUrl, name);
  return oldDatabases.length + oldRoles.length;
}
