import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import type { TestDatabase } from "@repo/test-database";

/** A port of this machine on which nobody listens. */
export async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** A database's address as the POSTGRES_* settings. */
export function settingsOf(database: Pick<TestDatabase, "url">): Record<string, string> {
  const url = new URL(database.url);
  return {
    POSTGRES_HOST: url.hostname,
    POSTGRES_PORT: url.port || "5432",
    POSTGRES_USERNAME: decodeURIComponent(url.username),
    POSTGRES_PASSWORD: decodeURIComponent(url.password),
    POSTGRES_DATABASE: decodeURIComponent(url.pathname.slice(1)),
  };
}

/** A URL with parts of it changed. */
export function changed(
  url: string,
  parts: { readonly password?: string; readonly database?: string },
): string {
  const copy = new URL(url);
  if (parts.password !== undefined) copy.password = encodeURIComponent(parts.password);
  if (parts.database !== undefined) copy.pathname = `/${encodeURIComponent(parts.database)}`;
  return copy.href;
}

/** Settings as the text of a `.env` file. */
export function dotenv(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}="${value}"\n`)
    .join("");
}
