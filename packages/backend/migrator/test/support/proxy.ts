import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** A network between runner and server that can fail. */
export interface Proxy {
  /** The database's URL through it. */
  readonly url: string;
  /** From now on nothing goes through, in either direction; connections stay open, new ones included. */
  stall(): void;
  /** Resets all connections and takes no further ones. */
  cut(): void;
  /** Lets everything through again. */
  heal(): void;
}

/** Starts a TCP proxy on loopback; it ends with the test. */
export async function startProxy(url: string): Promise<Proxy> {
  const through = new URL(url);
  const target = { host: through.hostname, port: Number(through.port || 5432) };
  const pairs = new Set<readonly [Socket, Socket]>();
  let state: "open" | "stalled" | "cut" = "open";
  const server = createServer((client) => {
    if (state === "cut") {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(target);
    const pair = [client, upstream] as const;
    pairs.add(pair);
    for (const [from, to] of [pair, [upstream, client]] as const) {
      from.on("data", (data) => to.write(data));
      from.on("error", () => {});
      from.on("close", () => {
        // Nothing goes through, not even the news of an end.
        if (state === "stalled") return;
        pairs.delete(pair);
        to.destroy();
      });
      if (state === "stalled") from.pause();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    state = "cut";
    for (const socket of [...pairs].flat()) socket.resetAndDestroy();
  };
  onTestFinished(async () => {
    cut();
    server.close();
    await once(server, "close");
  });
  through.hostname = "127.0.0.1";
  through.port = String((server.address() as AddressInfo).port);
  return {
    url: through.href,
    cut,
    stall: () => {
      state = "stalled";
      for (const socket of [...pairs].flat()) socket.pause();
    },
    heal: () => {
      state = "open";
      for (const pair of pairs) {
        const isOver = pair.some((socket) => socket.destroyed);
        for (const socket of pair) if (isOver) socket.destroy();
        if (isOver) pairs.delete(pair);
      }
      for (const socket of [...pairs].flat()) socket.resume();
    },
  };
}
