import type { Connection } from "../config.ts";
import { addressOf, type ServerAddress } from "../connection-url.ts";
import { type Listener, SILENT } from "../events.ts";
import { connectionFailure, isServerError } from "./failures.ts";
import { APPLICATION_NAME, openSession, type Session } from "./session.ts";
import { literal } from "./sql-text.ts";

/** One connection: the session that holds the lock is the one that does the work. */
export interface Database {
  readonly sql: Session;
  readonly address: ServerAddress;
  /** Its URL, with the password: for further connections, and never shown. */
  readonly href: string;
  /** What every transaction sets for its session, as SQL. */
  readonly sessionSettings: readonly string[];
  /** Another connection to the same database, for looking on; its caller closes it. */
  openSide(): Session;
  /** Where the server's NOTICEs go; set while a migration runs. */
  onNotice: (message: string) => void;
}

const NOTICE_LOSS = "set client_connection_check_interval = '500ms'";

/** Opens the database for the length of `work`. */
export async function withDatabase<T>(
  connection: Connection,
  work: (database: Database) => Promise<T>,
  on: Listener = SILENT,
): Promise<T> {
  return withServer(connection, (url) => withUrl(url, work, { awaitEnd: false }), on);
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

/**
 * @param awaitEnd whether the server's backend shall have ended afterwards: whoever drops or copies the database needs that
 * @throws MigratorError for a server that cannot be reached or does not let us in
 */
export async function withUrl<T>(
  href: string,
  work: (database: Database) => Promise<T>,
  { awaitEnd = true }: { readonly awaitEnd?: boolean } = {},
): Promise<T> {
  const url = new URL(href);
  const address = addressOf(url);
  const sessionSettings = [
    // A pooler sets the name by a command, so that it is gone after a reset.
    `set application_name = ${literal(url.searchParams.get("application_name") ?? APPLICATION_NAME)}`,
  ];
  const database: Database = {
    sessionSettings,
    address,
    href,
    onNotice: () => {},
    openSide: () => openSession(url, address, () => {}),
    sql: openSession(url, address, (message) => database.onNotice(message)),
  };
  // Connects, without being waited for: the work's own first query follows at once. Should the work fail, it tells
  // whether that was because there is no connection at all.
  // Without this setting a server whose client was killed learns of it when it wants to answer, and holds the lock for as
  // long as an index takes. Not every system can tell, and no server before 14.
  const greeting = database.sql.unsafe(NOTICE_LOSS).then(
    () => {
      sessionSettings.push(NOTICE_LOSS);
    },
    (cause: unknown) => (isRefusal(cause) ? undefined : connectionFailure(cause, address)),
  );
  try {
    const result = await work(database);
    await (awaitEnd ? database.sql.end({ timeout: 5 }) : database.sql.leave({ timeout: 5 }));
    return result;
  } catch (error) {
    const failure = (await greeting) ?? error;
    // Nothing that is still under way is waited for: it may wait for a connection that is gone.
    await database.sql.end({ timeout: 0 });
    throw failure;
  }
}

/** Whether a server has let us in, and then refused a command. What it says to whom it does not let in is FATAL. */
function isRefusal(cause: unknown): boolean {
  return isServerError(cause) && cause.severity === "ERROR";
}
