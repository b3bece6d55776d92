import postgres from "postgres";
import { type ServerAddress, showAddress } from "../connection-url.ts";
import { EXIT, MigratorError, messageOf } from "../errors.ts";
import { identifier } from "./sql-text.ts";

/** Whether PostgreSQL itself refused (as opposed to the network). */
export function isServerError(error: unknown): error is postgres.PostgresError {
  return error instanceof postgres.PostgresError;
}

/** SQLSTATE of what was cancelled, by somebody or by its time. */
export const CANCELLED = "57014";

/** SQLSTATE of a server's error, or the driver's or system's code of any other. */
export function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | undefined)?.code;
}

/** PostgreSQL's own words: message with SQLSTATE, then detail and hint where given. */
export function serverWords(error: unknown): readonly string[] {
  if (!isServerError(error)) return [messageOf(error)];
  const lines = [`${error.message} (${error.code})`];
  if (error.detail) lines.push(`detail: ${error.detail}`);
  if (error.hint) lines.push(`hint: ${error.hint}`);
  if (error.where) lines.push(`where: ${error.where.split("\n")[0]}`);
  return lines;
}

/** What a failed connection means, by SQLSTATE or system error code. */
export function connectionFailure(cause: unknown, address: ServerAddress): MigratorError {
  const explain = EXPLANATIONS[codeOf(cause) ?? ""] ?? fallbackFor(cause);
  const { code, message, fix } = explain(address, cause);
  return new MigratorError({
    code,
    message,
    details: serverWords(cause).filter((line) => line !== ""),
    state: "nothing was changed",
    fix,
    exitCode: EXIT.found,
    cause,
  });
}

interface Explanation {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}

type Explain = (address: ServerAddress, cause: unknown) => Explanation;

const EXPLANATIONS: Readonly<Record<string, Explain>> = {
  "28P01": wrongPassword,
  "28000": wrongPassword,
  "3D000": ({ host, port, database }) => ({
    code: "database-missing",
    message: `the server at ${host}:${port} has no database ${JSON.stringify(database)}`,
    fix: `create it, as a role that may: CREATE DATABASE ${identifier(database)};`,
  }),
  "53300": ({ host, port }) => ({
    code: "too-many-connections",
    message: `the server at ${host}:${port} has no connection left`,
    fix: "close some, or raise max_connections; then run again",
  }),
  "57P03": ({ host, port }) => ({
    code: "server-starting",
    message: `the server at ${host}:${port} is starting up or shutting down`,
    fix: "run again when it is up",
  }),
};

function fallbackFor(cause: unknown): Explain {
  if (isServerError(cause)) return refused;
  // Node has dozens of codes for what can be wrong with a certificate; all their messages say so.
  return /\bTLS\b|certificate|altname/i.test(messageOf(cause)) ? noTls : unreachable;
}

function noTls({ host, port }: ServerAddress): Explanation {
  return {
    code: "tls-failed",
    message: `no encrypted connection to ${host}:${port} could be made`,
    fix: "if the server offers no TLS, use sslmode=disable (POSTGRES_SSL=disable); if its certificate is not trusted, name its CA's file in NODE_EXTRA_CA_CERTS",
  };
}

function wrongPassword(address: ServerAddress): Explanation {
  return {
    code: "login-refused",
    message: `the server refused the login of ${showAddress(address)}`,
    fix: `check user and password (DATABASE_URL, or POSTGRES_USERNAME and POSTGRES_PASSWORD), and the server's pg_hba.conf`,
  };
}

function refused(address: ServerAddress): Explanation {
  return {
    code: "connection-refused",
    message: `the server refused the connection ${showAddress(address)}`,
    fix: "mend what the server says",
  };
}

function unreachable({ host, port }: ServerAddress, cause: unknown): Explanation {
  return {
    code: "server-unreachable",
    message: `no PostgreSQL answers at ${host}:${port} (${codeOf(cause) ?? "no reason given"})`,
    fix: "check host and port, that the server runs, and that a firewall lets you through",
  };
}
