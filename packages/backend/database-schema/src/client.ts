import { drizzle, type PostgresJsDatabase } from "drizzle-orm/postgres-js";
import postgres, { type Sql } from "postgres";
import * as schema from "./schema/index.ts";

/** Settings both kinds of connection share. */
interface PoolSettings {
  /** `postgres://user:password@host:port/database`; reserved characters percent-encoded. */
  readonly url: string;
  /** Connections the pool opens at most; 10 if not given. */
  readonly poolSize?: number;
  /** Milliseconds after which an unused connection is closed; 30,000 if not given, 0 for never. */
  readonly idleTimeoutMs?: number;
  /** Milliseconds a new connection may take; 10,000 if not given, 0 for as long as it takes. */
  readonly connectTimeoutMs?: number;
  /** TLS: `require` encrypts, `verify-full` also checks the server's certificate. As the url says if not given. */
  readonly ssl?: "require" | "verify-full";
  /** Name in `pg_stat_activity`. */
  readonly applicationName?: string;
}

/** Connections that reach PostgreSQL itself, or through a pooler that gives each client its own session. */
export interface DirectSettings extends PoolSettings {
  readonly transactionPooler?: false;
  /** Milliseconds after which PostgreSQL cancels a statement (57014); 30,000 if not given, 0 for never. */
  readonly statementTimeoutMs?: number;
}

/**
 * Connections through a pooler in transaction mode (PgBouncer, Supavisor). No statement is prepared by name, since
 * the next transaction may run in another session that does not know it. There is no statement timeout here:
 * PgBouncer refuses a connection that asks for one at the start ("unsupported startup parameter"), and a `SET` would
 * stay on the server's connection and hit its next user. Give the role one:
 * `ALTER ROLE app SET statement_timeout = '30s'`.
 */
export interface PoolerSettings extends PoolSettings {
  readonly transactionPooler: true;
  readonly statementTimeoutMs?: never;
}

/** What `createDatabase` takes. */
export type DatabaseSettings = DirectSettings | PoolerSettings;

/** A pool of connections, twice: with Drizzle's queries and with plain SQL. */
export interface Database {
  /** Drizzle, knowing every table of this package. */
  readonly db: PostgresJsDatabase<typeof schema>;
  /** The same pool for SQL that Drizzle cannot say; dates and times come back as text. */
  readonly sql: Sql;
  /** Waits for running queries, at most `graceMs` milliseconds (5,000 if not given), then closes every connection. */
  close(graceMs?: number): Promise<void>;
}

/**
 * Drizzle over postgres.js. Connections are opened with the first query, so this neither waits nor fails for a
 * server that is away. Throws a RangeError for a number that is none of its unit's, a TypeError for a statement
 * timeout in pooler mode.
 */
export function createDatabase(settings: DatabaseSettings): Database {
  const sql = postgres(settings.url, {
    max: whole("poolSize", settings.poolSize ?? 10, 1),
    idle_timeout: whole("idleTimeoutMs", settings.idleTimeoutMs ?? 30_000) / 1000,
    connect_timeout: whole("connectTimeoutMs", settings.connectTimeoutMs ?? 10_000) / 1000,
    prepare: settings.transactionPooler !== true,
    connection: sessionParameters(settings),
    ...(settings.ssl === undefined ? {} : { ssl: settings.ssl }),
  });
  return {
    db: drizzle(sql, { schema }),
    sql,
    close: (graceMs = 5_000) => sql.end({ timeout: whole("graceMs", graceMs) / 1000 }),
  };
}

/** Sent when a connection opens. PgBouncer passes on both names that are sent in pooler mode. */
function sessionParameters(settings: DatabaseSettings): Record<string, string | number> {
  const parameters = {
    application_name: settings.applicationName ?? "database-schema",
    // The timestamp columns hold UTC without saying so: now() must not write another zone's wall clock into them.
    TimeZone: "UTC",
  };
  if (settings.transactionPooler !== true) {
    return {
      ...parameters,
      statement_timeout: whole("statementTimeoutMs", settings.statementTimeoutMs ?? 30_000),
    };
  }
  if (settings.statementTimeoutMs !== undefined) {
    throw new TypeError(
      "statementTimeoutMs does not work through a transaction pooler. Set it on the role instead: ALTER ROLE … SET statement_timeout = …",
    );
  }
  return parameters;
}

function whole(name: string, value: number, least = 0): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new RangeError(`${name} must be a whole number of at least ${least}, not ${value}`);
}
