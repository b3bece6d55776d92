import { connect, Socket } from "node:net";
import type { ServerAddress } from "../connection-url.ts";

/** What a socket tells. */
export interface SocketEvents {
  /** All that was to be sent is with the system, our goodbye included. */
  onFinish(): void;
  /**
   * It is closed, by whomever.
   * @param words why the server has ended the session, where it said so and no encryption hides it
   */
  onClose(words: string | undefined): void;
}

/**
 * The one socket of a client, for postgres.js' option of that name. A second one is refused: the driver would otherwise
 * reconnect after a loss and send what is left of a cut migration to a session that has neither its transaction nor the lock.
 * @param timeoutMs longest wait for the connection
 */
export function oneSocket(
  address: ServerAddress,
  timeoutMs: number,
  { onFinish, onClose }: SocketEvents,
): () => Promise<Socket> {
  let failure = connectionLost();
  let used = false;
  return async () => {
    if (used) return broken(failure);
    used = true;
    const socket = await open(address, timeoutMs).catch((error: Error) => {
      failure = error;
      return broken(error);
    });
    let last: Buffer | undefined;
    socket.on("data", (bytes) => {
      last = bytes;
    });
    return socket.once("finish", onFinish).once("close", () => onClose(last && lastWordsIn(last)));
  };
}

/** What became of a query whose connection is gone. @param words the server's last */
export function connectionLost(words?: string): Error {
  return failed(
    "CONNECTION_LOST",
    words === undefined ? "the connection was closed" : `the server closed the connection: ${words}`,
  );
}

/** From an ErrorResponse: its fields are a letter, a text and a zero each. The driver forgets one that is followed by no other message. */
function lastWordsIn(bytes: Buffer): string | undefined {
  const start = bytes.lastIndexOf("VFATAL\0");
  if (start < 0) return undefined;
  const fields = bytes.toString("utf8", start).split("\0");
  const field = (letter: string) => fields.find((text) => text.startsWith(letter))?.slice(1);
  return `${field("M")} (${field("C")})`;
}

function open({ host, port }: ServerAddress, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = host.startsWith("/") ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
    const timer = setTimeout(
      () => socket.destroy(failed("CONNECT_TIMEOUT", `no answer within ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    socket.once("error", reject);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.off("error", reject);
      // Else the last bytes of a migration would wait for the server's receipt of those before: a round trip more.
      socket.setNoDelay(true);
      // postgres.js takes the name to check a certificate against from here.
      resolve(Object.assign(socket, { host }));
    });
    socket.once("close", () => clearTimeout(timer));
  });
}

/** A socket that fails once it has listeners: throwing here would leave the driver's other queries waiting for ever. */
function broken(error: Error): Socket {
  const socket = new Socket();
  setImmediate(() => socket.destroy(error));
  return socket;
}

function failed(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
