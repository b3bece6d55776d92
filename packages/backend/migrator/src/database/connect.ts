import type { Connection } from "../config.ts";
import { addressOf, type ServerAddress } from "../connection-url.ts";
import { type Listener, SILENT } from "../events.ts";
import { connectionFailure } from "./failures.ts";
import { APPLICATION_NAME, openSession, type Session } from "./session.ts";

/** One connection: the session that holds the lock is the one that does the work. */
export interface Database {
  readonly sql: Session;
  readonly address: ServerAddress;
  /** Its URL, with the password: for further connections, and never shown. */
  readonly href: string;
  /** Under which the session is found in pg_stat_activity. */
  readonly applicationName: string;
  /** Another connection to the same database, for looking on; its caller closes it. */
  openSide(): Session;
  /** Where the server's NOTICEs go; set while a migration runs. */
  onNotice: (message: string) => void;
}

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
    href,
    applicationName: url.searchParams.get("application_name") ?? APPLICATION_NAME,
    onNotice: () => {},
    openSide: () => openSession(url, address, () => {}),
    sql: openSession(url, address, (message) => database.onNotice(message)),
  };
  // Connects, without being waited for: the work's own first query follows at once. It only tells, should the work
  // fail, whether that was because there is no connection at all.
  const greeting = database.sql.unsafe("select 1").then(
    () => undefined,
    (cause: unknown) => connectionFailure(cause, address),
  );
  let graceS = 0;
  try {
    const result = await work(database);
    graceS = 5;
    return result;
  } catch (error) {
    throw (await greeting) ?? error;
  } finally {
    // After a failure nothing that is still under way is waited for: it may wait for a connection that is gone.
    await database.sql.end({ timeout: graceS });
  }
}
