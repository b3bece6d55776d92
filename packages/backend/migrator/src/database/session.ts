import type { Readable, Writable } from "node:stream";
import postgres from "postgres";
import type { ServerAddress } from "../connection-url.ts";
import { type BatchOptions, type BatchText, createBatch, type Rows } from "./batch.ts";
import { codeOf } from "./failures.ts";
import { connectionLost, oneSocket, type SocketEvents } from "./socket.ts";

/** A connection that is never silently replaced by another one. */
export interface Session {
  /** Whether the session began with `standard_conforming_strings` on; false while it is not known. */
  readonly standardStrings: boolean;
  /**
   * Runs SQL text as it is (simple protocol: several commands may be in it). Calls that are not awaited are pipelined.
   * @returns the rows of its last command
   */
  unsafe<T extends readonly object[] = readonly Readonly<Record<string, unknown>>[]>(
    text: string,
  ): Promise<T & Columns>;
  /**
   * The same for text whose rows matter only as a sign. @param onRow called while the server's answers are read, so
   * before any NOTICE of a later query
   */
  signal(text: string, onRow: () => void): Promise<void>;
  /**
   * Runs several texts as one message, of which the server runs nothing more once one has failed.
   * @param onFailed called while the server's answers are read, so before any NOTICE of what was sent behind it
   * @returns the rows of each that wants them
   * @throws BatchFailure
   */
  batch(
    texts: readonly BatchText[],
    options: Omit<BatchOptions, "countsBytes">,
    onFailed?: () => void,
  ): Promise<readonly Rows[]>;
  /**
   * Runs a `COPY … TO STDOUT` and hands over its bytes. @param take is waited for before more is read; where it fails,
   * the rest is read and dropped, and its error thrown: the driver cannot leave a COPY half way
   */
  copyOut(text: string, take: (bytes: Buffer) => Promise<void> | void): Promise<void>;
  /** Runs a `COPY … FROM STDIN`. @param feed writes all bytes; where it fails, the COPY fails too */
  copyIn(text: string, feed: (target: Writable, signal: AbortSignal) => Promise<void>): Promise<void>;
  /** Closes it. @param timeout longest wait for what is still under way, in s */
  end(options: { readonly timeout: number }): Promise<void>;
  /** The same, but does not wait for the server's backend to end, which takes it 10 ms. */
  leave(options: { readonly timeout: number }): Promise<void>;
}

/** Names of a result's columns and the numbers (OID) of their types, there also when it has no row. */
export interface Columns {
  readonly columns: readonly { readonly name: string; readonly type: number }[];
}

/** Name of our sessions, unless the URL gives another. */
export const APPLICATION_NAME = "migrator";

/** Grace for the driver to say in its own words what became of a query when its connection closed, in ms. */
const LAST_WORDS_MS = 50;

/** Connects with the first query. Once the connection is lost, every query fails, those under way included. */
export function openSession(url: URL, address: ServerAddress, onNotice: (message: string) => void): Session {
  let lost = false;
  let lastWords: string | undefined;
  // The driver forgets a query that was sent between an error on the socket and its close: nobody would ever hear of it.
  const waiting = new Set<(error: Error) => void>();
  let onLeft = () => {};
  const client = createClient(url, address, onNotice, {
    onFinish: () => onLeft(),
    onClose: (words) => {
      lost = true;
      lastWords = words;
      // After an orderly end nobody waits for last words, and neither shall the process.
      if (waiting.size > 0)
        setTimeout(() => {
          for (const fail of waiting) fail(connectionLost(words));
        }, LAST_WORDS_MS);
    },
  });
  const send = <T>(query: () => PromiseLike<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      if (lost) return reject(connectionLost(lastWords));
      waiting.add(reject);
      const fail = (error: unknown) =>
        reject(codeOf(error) === "CONNECTION_CLOSED" ? connectionLost(lastWords) : error);
      query()
        .then(resolve, fail)
        .then(() => waiting.delete(reject));
    });
  let standardStrings: unknown;
  return {
    get standardStrings() {
      // What a migration sets is reset before the next is read.
      standardStrings ??= client.parameters.standard_conforming_strings;
      return standardStrings === "on";
    },
    async unsafe<T extends readonly object[]>(text: string) {
      // Sent at once, as `forEach` does: the driver would else wait for somebody to listen, and the order would change.
      return lastOf(await send(() => client.unsafe(text).execute())) as unknown as T & Columns;
    },
    async signal(text, onRow) {
      await send(() => client.unsafe(text).forEach(onRow));
    },
    async batch(texts, options, onFailed = () => {}) {
      const countsBytes = client.parameters.server_encoding === "SQL_ASCII";
      const batch = createBatch(texts, { ...options, countsBytes });
      try {
        await send(() => {
          const query = client.unsafe(batch.message);
          onRejection(query, onFailed);
          return query.forEach(batch.hear);
        });
      } catch (cause) {
        throw batch.failure(cause);
      }
      return batch.rows();
    },
    async copyOut(text, take) {
      await send(async () => drain(await client.unsafe(text).readable(), take));
    },
    async copyIn(text, feed) {
      const query = client.unsafe(text);
      const failure = failureOf(query);
      await send(async () => fill(await query.writable(), failure, feed));
    },
    end: (options) => client.end(options),
    async leave(options) {
      const left = new Promise<void>((resolve) => {
        onLeft = resolve;
      });
      await Promise.race([left, client.end(options)]);
    },
  };
}

async function drain(source: Readable, take: (bytes: Buffer) => Promise<void> | void): Promise<void> {
  let taking = true;
  let failure: unknown;
  const hand = async (bytes: Buffer) => take(bytes);
  const refuse = (error: unknown) => {
    taking = false;
    failure = error;
  };
  try {
    for await (const bytes of source) if (taking) await hand(bytes as Buffer).catch(refuse);
  } catch (error) {
    if (taking) throw error;
  } finally {
    // The driver pauses its socket when rows come faster than they are read, also with the last ones: then nothing of it
    // wakes the socket again, and no later query would hear an answer.
    source._read(0);
  }
  if (!taking) throw failure;
}

async function fill(
  target: Writable,
  failure: Promise<never>,
  feed: (target: Writable, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const controller = new AbortController();
  try {
    await Promise.race([feed(target, controller.signal), failure]);
  } catch (error) {
    controller.abort();
    throw error;
  }
}

/**
 * The driver has resolved a COPY's query when data may flow, and drops what the server says against the last byte (a
 * foreign key, say): neither stream nor query would ever hear of it. So its rejection is listened to here.
 */
function failureOf(query: object): Promise<never> {
  const failure = new Promise<never>((_, reject) => onRejection(query, reject));
  failure.catch(() => undefined);
  return failure;
}

/** Hears of a query's failure when the driver does. */
function onRejection(query: object, hear: (error: unknown) => void): void {
  const hooked = query as { reject(error: unknown): void };
  const own = hooked.reject;
  hooked.reject = (error) => {
    hear(error);
    own(error);
  };
}

/** Of several commands the driver gives a list of results. */
function lastOf(result: readonly unknown[]): unknown {
  return Array.isArray(result[0]) ? result.at(-1) : result;
}

/** Parameters that other drivers and poolers put into URLs and that no server knows. */
const CLIENT_PARAMETERS = new Set([
  ...["sslmode", "ssl", "sslrootcert", "sslnegotiation", "channel_binding", "host", "port", "schema"],
  ...["pgbouncer", "connection_limit", "pool_timeout", "connect_timeout", "target_session_attrs"],
]);

const CONNECT_TIMEOUT_S = 10;

/** "There is no transaction in progress": of our own ROLLBACK, where a failure came before the BEGIN. A file's is never sent. */
const NOTHING_TO_END = "25P01";

function createClient(
  url: URL,
  address: ServerAddress,
  onNotice: (message: string) => void,
  events: SocketEvents,
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
    socket: oneSocket(address, timeoutS * 1000, events),
    // What is left unsent after a loss fails one by one, and without pauses.
    backoff: 0,
    fetch_types: false,
    prepare: false,
    onnotice: ({ code, severity, message }: postgres.Notice) => {
      if (code !== NOTHING_TO_END) onNotice(`${severity}: ${message}`);
    },
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
