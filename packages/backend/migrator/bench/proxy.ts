import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A listener that hands everything on to a server, later. */
export interface Proxy {
  /** The server's URL with the proxy's address in it. */
  urlOf(url: string): string;
  close(): Promise<void>;
}

/** Adds `delayMs` to everything in each direction, as distance does; bandwidth and connecting are left as they are. */
export async function startProxy(url: string, delayMs: number): Promise<Proxy> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    }
    carry(near, far, delayMs);
    carry(far, near, delayMs);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  return {
    urlOf: (href) => Object.assign(new URL(href), { hostname: "127.0.0.1", port: String(port) }).href,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Timers of one length fire in the order they were set: the bytes stay in order. */
function carry(from: Socket, to: Socket, delayMs: number): void {
  from.on("data", (chunk) => setTimeout(() => to.write(chunk), delayMs));
  from.on("end", () => setTimeout(() => to.end(), delayMs));
  from.on("error", () => to.destroy());
}
