import postgres from "postgres";
import type { ServerAddress } from "../connection-url.ts";
import { connectionLost, oneSocket } from "./socket.ts";

/** A connection that is never silently replaced by another one. */
export interface Session {
  /** Runs SQL text as it is (simple protocol: several commands may be in it). Calls that are not awaited are pipelined. */
  unsafe<T extends readonly object[] = readonly Readonly<Record<string, unknown>>[]>(
    text: string,
  ): Promise<T & Columns>;
  /** Closes it. @param timeout longest wait for what is still under way, in s */
  end(options: { readonly timeout: number }): Promise<void>;
}

/** Names of a result's columns, there also when it has no row. */
export interface Columns {
  readonly columns: readonly { readonly name: string }[];
}

/** Name of our sessions, unless the URL gives another. */
export const APPLICATION_NAME = "migrator";

/** Grace for the driver to say in its own words what became of a query when its connection closed, in ms. */
const LAST_WORDS_MS = 50;

/** Connects with the first query. Once the connection is lost, every query fails, those under way included. */
export function openSession(url: URL, address: ServerAddress, onNotice: (message: string) => void): Session {
  let lost = false;
  let underWay = 0;
  let fail: (error: Error) => void = () => {};
  // The driver forgets a query that was sent between an error on the socket and its close: nobody would ever hear of it.
  const loss = new Promise<never>((_, reject) => {
    fail = reject;
  });
  loss.catch(() => undefined);
  const client = createClient(url, address, onNotice, () => {
    lost = true;
    // After an orderly end nobody waits for last words, and neither shall the process.
    if (underWay > 0) setTimeout(() => fail(connectionLost()), LAST_WORDS_MS);
  });
  return {
    async unsafe<T extends readonly object[]>(text: string) {
      if (lost) throw connectionLost();
      underWay++;
      try {
        return (await Promise.race([client.unsafe(text), loss])) as unknown as T & Columns;
      } finally {
        underWay--;
      }
    },
    end: (options) => client.end(options),
  };
}

/** Parameters that other drivers and poolers put into URLs and that no server knows. */
const CLIENT_PARAMETERS = new Set([
  ...["sslmode", "ssl", "sslrootcert", "sslnegotiation", "channel_binding", "host", "port", "schema"],
  ...["pgbouncer", "connection_limit", "pool_timeout", "connect_timeout", "target_session_attrs"],
]);

const CONNECT_TIMEOUT_S = 10;

function createClient(
  url: URL,
  address: ServerAddress,
  onNotice: (message: string) => void,
  onClose: () => void,
): postgres.Sql {
  const parameters = [...url.searchParams].filter(([name]) => !CLIENT_PARAMETERS.has(name));
  const timeoutS = Number(url.searchParams.get("connect_timeout") ?? CONNECT_TIMEOUT_S);
  // A variable, since the driver's types do not know max_pipeline and socket.
  const options = {
    host: address.host,
    port: address.port,
    database: address.database,
    username: address.user,
    // A function, because an empty text would make the driver look for PGPASSWORD.
    password: () => decodeURIComponent(url.password),
    ssl: sslOf(url),
    // One connection: begin, statements and commit can then be sent at once, in order.
    max: 1,
    // The driver would otherwise renew the connection after 30 to 60 minutes, and the lock would be gone.
    max_lifetime: null,
    max_pipeline: 100_000,
    connect_timeout: timeoutS,
    socket: oneSocket(address, timeoutS * 1000, onClose),
    // What is left unsent after a loss fails one by one, and without pauses.
    backoff: 0,
    fetch_types: false,
    prepare: false,
    onnotice: (notice: postgres.Notice) => onNotice(`${notice.severity}: ${notice.message}`),
    connection: { application_name: APPLICATION_NAME, ...Object.fromEntries(parameters) },
  };
  return postgres(options as unknown as postgres.Options<Record<string, never>>);
}

function sslOf(url: URL): "require" | "prefer" | "verify-full" | false {
  const mode = url.searchParams.get("sslmode") ?? url.searchParams.get("ssl");
  if (mode === null || mode === "disable" || mode === "false") return false;
  if (mode === "verify-full" || mode === "verify-ca") return "verify-full";
  return mode === "prefer" || mode === "allow" ? "prefer" : "require";
}
