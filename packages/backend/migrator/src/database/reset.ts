import type { Connection } from "../config.ts";
import { addressOf, isLocalHost } from "../connection-url.ts";
import { MigratorError } from "../errors.ts";
import type { Listener } from "../events.ts";
import { withServer, withUrl } from "./connect.ts";
import { serverWords } from "./failures.ts";
import { identifier } from "./sql-text.ts";

/** Databases that a server needs itself. */
const OF_THE_SERVER = new Set(["postgres", "template0", "template1"]);

export interface ResetResult {
  readonly database: string;
  readonly server: string;
}

/**
 * Drops and recreates a local database: the documented clean state.
 * @throws MigratorError `not-local`, `production`, `server-database`, `reset-failed`; then nothing was dropped
 */
export async function reset(connection: Connection, production: boolean, on: Listener): Promise<ResetResult> {
  if (production) throw refuse("production", "NODE_ENV is production", "reset is for local databases only");
  if (connection.kind === "url") assertLocal(connection.url);
  return withServer(connection, recreate, on);
}

async function recreate(href: string): Promise<ResetResult> {
  const { database } = addressOf(new URL(href));
  // A database cannot be dropped from inside: through the one that every server has.
  const maintenance = new URL(href);
  maintenance.pathname = "/postgres";
  return withUrl(maintenance.href, async ({ sql, address }) => {
    try {
      await sql.unsafe(`drop database if exists ${identifier(database)} with (force)`);
      await sql.unsafe(`create database ${identifier(database)}`);
    } catch (cause) {
      throw resetFailed(database, cause);
    }
    const [row] = await sql.unsafe<{ version: string }[]>("select split_part(version(), ' ', 2) as version");
    return { database, server: `${address.host}:${address.port} (PostgreSQL ${row?.version})` };
  });
}

function assertLocal(href: string): void {
  const { host, database } = addressOf(new URL(href));
  if (!isLocalHost(host)) {
    throw refuse(
      "not-local",
      `${host} is not this machine`,
      "reset drops a whole database, so it works on localhost only",
    );
  }
  if (OF_THE_SERVER.has(database)) {
    throw refuse(
      "server-database",
      `${database} is the server's own database`,
      "use a database of its own for the project",
    );
  }
}

function refuse(code: string, what: string, fix: string): MigratorError {
  return new MigratorError({ code, message: `will not reset: ${what}`, state: "nothing was dropped", fix });
}

function resetFailed(database: string, cause: unknown): MigratorError {
  return new MigratorError({
    code: "reset-failed",
    message: `the database ${JSON.stringify(database)} could not be dropped and made again`,
    details: serverWords(cause),
    state: "if it is gone now, running reset again makes it",
    fix: "the role must own the database and have CREATEDB",
    cause,
  });
}
