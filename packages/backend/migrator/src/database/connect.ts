import postgres from "postgres";
import type { Connection } from "../config.ts";
import { addressOf, type ServerAddress } from "../connection-url.ts";
import { type Listener, SILENT } from "../events.ts";
import { connectionFailure } from "./failures.ts";

/** One connection: the session that holds the lock is the one that does the work. */
export interface Database {
  readonly sql: postgres.Sql;
  readonly address: ServerAddress;
  /** Where the server's NOTICEs go; set while a migration runs. */
  onNotice: (message: string) => void;
}

/** Parameters that other drivers and poolers put into URLs and that no server knows. */
const CLIENT_PARAMETERS = new Set([
  ...["sslmode", "ssl", "sslrootcert", "sslnegotiation", "channel_binding", "host", "port", "schema"],
  ...["pgbouncer", "connection_limit", "pool_timeout", "connect_timeout", "target_session_attrs"],
]);

const CONNECT_TIMEOUT_S = 10;

/** Opens the database for the length of `work`. */
export async function withDatabase<T>(
  connection: Connection,
  work: (database: Database) => Promise<T>,
  on: Listener = SILENT,
): Promise<T> {
  return withServer(connection, (url) => withUrl(url, work), on);
}

/** The URL of the database that is meant, its server up while `work` runs: the embedded one is started and stopped. */
export async function withServer<T>(
  connection: Connection,
  work: (url: string) => Promise<T>,
  on: Listener = SILENT,
): Promise<T> {
  if (connection.kind === "url") return work(connection.url);
  // Loaded only here: whoever has a server of his own does not wait for the embedded one's code.
  const { openEmbedded } = await import("./embedded.ts");
  const embedded = await openEmbedded(connection.embedded);
  on({ type: "embedded", url: embedded.url, started: embedded.started });
  try {
    return await work(embedded.url);
  } finally {
    await embedded.release();
  }
}

/** @throws MigratorError for a server that cannot be reached or does not let us in */
export async function withUrl<T>(href: string, work: (database: Database) => Promise<T>): Promise<T> {
  const url = new URL(href);
  const address = addressOf(url);
  const database: Database = {
    address,
    onNotice: () => {},
    sql: open(url, address, (message) => database.onNotice(message)),
  };
  // Connects, without being waited for: the work's own first query follows at once. It only tells, should the work
  // fail, whether that was because there is no connection at all.
  const greeting = database.sql.unsafe("select 1").then(
    () => undefined,
    (cause: unknown) => connectionFailure(cause, address),
  );
  try {
    return await work(database);
  } catch (error) {
    throw (await greeting) ?? error;
  } finally {
    await database.sql.end({ timeout: 5 });
  }
}

function open(url: URL, address: ServerAddress, onNotice: (message: string) => void): postgres.Sql {
  const parameters = [...url.searchParams].filter(([name]) => !CLIENT_PARAMETERS.has(name));
  // A variable, since the driver's types do not know max_pipeline.
  const options = {
    host: address.host,
    port: address.port,
    database: address.database,
    username: address.user,
    password: decodeURIComponent(url.password),
    ssl: sslOf(url),
    // One connection: begin, statements and commit can then be sent at once, in order.
    max: 1,
    // The driver would otherwise renew the connection after 30 to 60 minutes, and the lock would be gone.
    max_lifetime: null,
    max_pipeline: 100_000,
    connect_timeout: Number(url.searchParams.get("connect_timeout") ?? CONNECT_TIMEOUT_S),
    fetch_types: false,
    prepare: false,
    onnotice: (notice: postgres.Notice) => onNotice(`${notice.severity}: ${notice.message}`),
    connection: { application_name: "migrator", ...Object.fromEntries(parameters) },
  };
  return postgres(options);
}

function sslOf(url: URL): "require" | "prefer" | "verify-full" | false {
  const mode = url.searchParams.get("sslmode") ?? url.searchParams.get("ssl");
  if (mode === null || mode === "disable" || mode === "false") return false;
  if (mode === "verify-full" || mode === "verify-ca") return "verify-full";
  return mode === "prefer" || mode === "allow" ? "prefer" : "require";
}
