import type { Session } from "./session.ts";
import { identifier, literal } from "./sql-text.ts";

/** What their comment begins with; the names of the sessions that need them follow. */
const MARK = "stand-in for migrator's scratch databases:";

/**
 * Makes roles that a server lacks: policies and grants name them, and a role is the server's, so that no migration makes
 * it on a scratch database. They may do nothing. Where ours may not make roles, the migrations' own words will tell.
 * @param user name of the session that needs them
 */
export async function makeStandIns(sql: Session, names: readonly string[], user: string): Promise<void> {
  if (names.length === 0) return;
  const there = await sql.unsafe<{ name: string }[]>("select rolname as name from pg_catalog.pg_roles");
  const standIns = new Map((await readStandIns(sql)).map(({ name, users }) => [name, users]));
  for (const name of names) {
    const users = standIns.get(name);
    if (users === undefined && there.some((role) => role.name === name)) continue;
    const role = identifier(name);
    const create = users === undefined ? `create role ${role} nologin; ` : "";
    await sql.unsafe(`${create}${commentSql(role, [...(users ?? []), user])}`).catch(() => undefined);
  }
}

/**
 * Drops those that no other session needs, those of killed runs too.
 * @param livingSql gives the names of the sessions that are there
 */
export async function dropStandIns(sql: Session, user: string, livingSql: string): Promise<void> {
  const living = new Set((await sql.unsafe<{ name: string }[]>(livingSql)).map(({ name }) => name));
  for (const { name, users } of await readStandIns(sql)) {
    const left = users.filter((one) => one !== user && living.has(one));
    const role = identifier(name);
    const end = left.length === 0 ? `drop role if exists ${role}` : commentSql(role, left);
    await sql.unsafe(end).catch(() => undefined);
  }
}

async function readStandIns(
  sql: Session,
): Promise<readonly { readonly name: string; readonly users: readonly string[] }[]> {
  const found = await sql.unsafe<{ name: string; comment: string }[]>(
    `select rolname as name, shobj_description(oid, 'pg_authid') as comment from pg_catalog.pg_roles
      where starts_with(shobj_description(oid, 'pg_authid'), ${literal(MARK)})`,
  );
  return found.map(({ name, comment }) => ({ name, users: comment.slice(MARK.length).trim().split(" ") }));
}

function commentSql(role: string, users: readonly string[]): string {
  return `comment on role ${role} is ${literal(`${MARK} ${users.join(" ")}`)}`;
}
