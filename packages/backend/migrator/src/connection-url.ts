import { type Environment, LOOKED_IN } from "./environment.ts";
import { MigratorError } from "./errors.ts";
import { readUrl } from "./libpq-url.ts";

/** The parts of a connection that a person is shown. Never the password. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
}

const DEFAULT_PORT = 5432;
const REQUIRED = ["POSTGRES_HOST", "POSTGRES_USERNAME", "POSTGRES_PASSWORD", "POSTGRES_DATABASE"] as const;
const SSL_MODES = ["disable", "require", "verify-full"] as const;

/**
 * The URL that the environment configures: `DATABASE_URL`, or the `POSTGRES_*` variables; undefined when neither is set.
 * @throws MigratorError `settings-conflict`, `setting-missing`, `setting-invalid`
 */
export function configuredUrl(environment: Environment): string | undefined {
  const url = environment.get("DATABASE_URL") || undefined;
  const named = [...REQUIRED, "POSTGRES_PORT"].some((name) => environment.get(name) !== undefined);
  if (url !== undefined) {
    const parsed = parseUrl(url, `DATABASE_URL (from ${environment.sourceOf("DATABASE_URL")})`);
    if (named) assertSameTarget(addressOf(parsed), environment);
    return withSsl(parsed, environment);
  }
  return named ? withSsl(urlFromParts(environment), environment) : undefined;
}

/**
 * The URL of `--url`, which outranks every other setting, but not unasked the encryption: `POSTGRES_SSL` counts unless
 * the URL says something else itself.
 * @throws MigratorError `setting-invalid`
 */
export function givenUrl(url: string, environment: Environment): string {
  const parsed = parseUrl(url, "--url");
  return parsed.searchParams.has("sslmode") ? parsed.href : withSsl(parsed, environment);
}

/**
 * A URL as the driver will take it.
 * @param name what to call it in an error, e.g. `--url`
 * @throws MigratorError `setting-invalid`
 */
export function parseUrl(url: string, name: string): URL {
  const parsed = readUrl(url);
  if (parsed === undefined || !/^postgres(ql)?:$/.test(parsed.protocol)) {
    throw invalid(name, "is not a PostgreSQL URL", "write it as postgres://user@host:5432/database");
  }
  if (!isDecodable(parsed)) {
    throw invalid(name, "has a % that starts no escape", "write a literal % (in a password, say) as %25");
  }
  if (databaseOf(parsed) === "") {
    throw invalid(name, "names no database", "add it at the end: postgres://user@host:5432/database");
  }
  return parsed;
}

/** What may be shown of a URL. */
export function addressOf(url: URL): ServerAddress {
  return {
    host:
      (url.searchParams.get("host") ?? decodeURIComponent(url.hostname).replace(/^\[|\]$/g, "")) ||
      "localhost",
    port: Number(url.port || url.searchParams.get("port") || DEFAULT_PORT),
    database: databaseOf(url),
    user: decodeURIComponent(url.username) || "postgres",
  };
}

/** Whether the host is this machine. */
export function isLocalHost(host: string): boolean {
  return canonicalHost(host) === "localhost" || host.startsWith("/");
}

function isDecodable(url: URL): boolean {
  try {
    for (const part of [url.username, url.password, url.hostname, url.pathname]) decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}

function databaseOf(url: URL): string {
  return decodeURIComponent(url.pathname.slice(1));
}

function urlFromParts(environment: Environment): URL {
  const isMissing = (name: string) =>
    environment.get(name) === undefined || (name !== "POSTGRES_PASSWORD" && environment.get(name) === "");
  const missing = REQUIRED.filter(isMissing);
  if (missing.length > 0) throw missingSettings(missing, environment);
  const [host = "", user = "", password = "", database = ""] = REQUIRED.map((name) => environment.get(name));
  const port = portOf(environment);
  const secret = password === "" ? "" : `:${encodeURIComponent(password)}`;
  const name = host.includes(":") ? `[${host}]` : encodeURIComponent(host);
  const authority = `${encodeURIComponent(user)}${secret}@${host.startsWith("/") ? "localhost" : name}:${port}`;
  const url = parseUrl(`postgres://${authority}/${encodeURIComponent(database)}`, "POSTGRES_*");
  // A socket folder cannot stand in a URL's authority; postgres.js takes it as a parameter.
  if (host.startsWith("/")) url.searchParams.set("host", host);
  return url;
}

function portOf(environment: Environment): number {
  const text = environment.get("POSTGRES_PORT") || String(DEFAULT_PORT);
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw invalid("POSTGRES_PORT", `is ${JSON.stringify(text)}, not a port`, "use a number from 1 to 65535");
}

function withSsl(url: URL, environment: Environment): string {
  const mode = environment.get("POSTGRES_SSL");
  if (mode === undefined || mode === "") return url.href;
  if (!SSL_MODES.some((known) => known === mode)) {
    throw invalid(
      "POSTGRES_SSL",
      `is ${JSON.stringify(mode)}`,
      `use ${SSL_MODES.join(", ")}, or leave it out`,
    );
  }
  const ssl = new URL(url);
  ssl.searchParams.set("sslmode", mode);
  return ssl.href;
}

/** Both forms may be set; only where they point to different places nobody can tell which is meant. */
function assertSameTarget(fromUrl: ServerAddress, environment: Environment): void {
  const parts = {
    host: environment.get("POSTGRES_HOST"),
    port: environment.get("POSTGRES_PORT") || String(DEFAULT_PORT),
    database: environment.get("POSTGRES_DATABASE"),
    user: environment.get("POSTGRES_USERNAME"),
  };
  const same =
    canonicalHost(parts.host ?? fromUrl.host) === canonicalHost(fromUrl.host) &&
    Number(parts.port) === fromUrl.port &&
    (parts.database ?? fromUrl.database) === fromUrl.database;
  if (same) return;
  throw new MigratorError({
    code: "settings-conflict",
    message: "DATABASE_URL and the POSTGRES_* settings name different databases",
    details: [
      `DATABASE_URL  ${showAddress(fromUrl)}  (from ${environment.sourceOf("DATABASE_URL")})`,
      `POSTGRES_*    ${parts.user ?? "?"}@${parts.host ?? "?"}:${parts.port}/${parts.database ?? "?"}  (from ${sourcesOf(environment)})`,
    ],
    state: "nothing was done",
    fix: "remove one of them, or make both name the same place",
  });
}

/** `user@host:port/database`, the form in which a connection is shown. */
export function showAddress(address: ServerAddress): string {
  return `${address.user}@${address.host}:${address.port}/${address.database}`;
}

function sourcesOf(environment: Environment): string {
  const set = [...REQUIRED, "POSTGRES_PORT"].filter((name) => environment.get(name) !== undefined);
  return [...new Set(set.map((name) => environment.sourceOf(name)))].join(" and ");
}

function canonicalHost(host: string): string {
  return ["127.0.0.1", "::1", "localhost"].includes(host.toLowerCase()) ? "localhost" : host.toLowerCase();
}

function missingSettings(missing: readonly string[], environment: Environment): MigratorError {
  const found = REQUIRED.filter((name) => !missing.includes(name));
  return new MigratorError({
    code: "setting-missing",
    message: `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} not set, or empty`,
    details: [
      `looked in ${LOOKED_IN}`,
      ...found.map((name) => `${name} is set (from ${environment.sourceOf(name)})`),
    ],
    state: "nothing was done",
    fix: `set ${missing.join(", ")} there (an empty POSTGRES_PASSWORD means none), or use DATABASE_URL instead`,
  });
}

function invalid(name: string, what: string, fix: string): MigratorError {
  return new MigratorError({
    code: "setting-invalid",
    message: `${name} ${what}`,
    state: "nothing was done",
    fix,
  });
}
