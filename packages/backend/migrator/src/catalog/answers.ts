import type { Database } from "../database/connect.ts";
import type { Session } from "../database/session.ts";
import type { Answers } from "./delta.ts";

type Row = Readonly<Record<string, unknown>>;
type Result = { readonly rows: readonly Row[] };

/** Puts queries to a database. All are answered from one moment of it. */
export type Ask = (sql: string) => Promise<readonly Row[]>;

/** Grace for what is under way when the sessions are closed, in s. */
const GRACE_S = 5;

/** Two sessions of one database, which read it side by side. */
export type Sessions = readonly [Session, Session];

/** Opens the sessions for the length of `work`. Reading again in the same is twice as fast: their caches are warm. */
export async function withSessions<T>(
  database: Database,
  work: (sessions: Sessions) => Promise<T>,
): Promise<T> {
  const sessions: Sessions = [database.openSide(), database.openSide()];
  let graceS = 0;
  try {
    const result = await work(sessions);
    graceS = GRACE_S;
    return result;
  } finally {
    await Promise.all(sessions.map((session) => session.end({ timeout: graceS })));
  }
}

/**
 * Lets `read` see one moment of the database, through two read-only transactions that share a snapshot.
 *
 * pg-delta asks some thirty queries one after the other; of 1,000 tables that takes 1.4 s on the server alone. So its
 * questions are collected first (it asks the same of a database that answers nothing), put to both sessions at once, and
 * then it is run on the answers. What it asks only because of an answer is put to the database when it comes up.
 */
export async function withAnswers<T>(
  sessions: Sessions,
  read: (answers: { readonly first: Answers; readonly again: Answers; readonly ask: Ask }) => Promise<T>,
): Promise<T> {
  await shareSnapshot(...sessions);
  const found = new Map<string, Promise<Result>>();
  try {
    return await read({
      first: { query: (sql) => collect(sql, sessions, found) },
      again: {
        query: (sql) => (isSetting(sql) ? NOTHING : (found.get(sql) ?? put(sessions[0], sql))),
      },
      ask: async (sql) => (await put(sessions[1], sql)).rows,
    });
  } finally {
    // Whether it could be read or not: the next reading begins anew.
    await Promise.allSettled(sessions.map((session) => session.unsafe("rollback")));
  }
}

const NOTHING: Promise<Result> = Promise.resolve({ rows: [] });

async function shareSnapshot(leader: Session, follower: Session): Promise<void> {
  const [, , exported] = await Promise.all([
    leader.unsafe("begin isolation level repeatable read read only"),
    leader.unsafe(SETTINGS),
    leader.unsafe<{ id: string }[]>("select pg_export_snapshot() as id"),
  ]);
  await Promise.all([
    follower.unsafe("begin isolation level repeatable read read only"),
    follower.unsafe(`set transaction snapshot '${exported[0]?.id}'`),
    follower.unsafe(SETTINGS),
  ]);
}

// An empty path, as pg-delta sets it too, and the rest so that a text does not depend on the role's settings. Compiling the
// queries costs more than running them.
const SETTINGS = [
  ...[
    "set local search_path to 'pg_catalog'",
    "set local timezone to 'UTC'",
    "set local datestyle to 'ISO, MDY'",
  ],
  ...["set local intervalstyle to 'postgres'", "set local extra_float_digits to 1", "set local jit to off"],
  ...["set local bytea_output to 'hex'", "set local quote_all_identifiers to off"],
].join("; ");

async function collect(
  sql: string,
  sessions: Sessions,
  found: Map<string, Promise<Result>>,
): Promise<Result> {
  if (isSetting(sql)) return NOTHING;
  const answer = put(sessions[isLong(sql) ? 1 : 0], sql);
  // Whoever reads it hears of a failure; nobody may be listening yet.
  answer.catch(() => undefined);
  found.set(sql, answer);
  // The rest of its questions depend on the version.
  return sql.includes("server_version_num") ? answer : NOTHING;
}

/** Statements that set something up; the sessions are set up already. */
function isSetting(sql: string): boolean {
  return /^\s*(begin|set|commit|rollback)\b/i.test(sql) || sql.includes("set_config(");
}

/** Dependencies and indexes take as long as everything else together. */
function isLong(sql: string): boolean {
  return /^\s*with dep\b/i.test(sql) || sql.includes("FROM pg_index i");
}

async function put(session: Session, sql: string): Promise<Result> {
  const rows = await session.unsafe<Row[]>(sql);
  const arrays = rows.columns.filter(({ type }) => ARRAY_TYPES.has(type)).map(({ name }) => name);
  return { rows: arrays.length === 0 ? rows : rows.map((row) => withArrays(row, arrays)) };
}

/** char, name, int2, text, oid: the arrays in PostgreSQL's catalogs. Our sessions give them as text. */
const ARRAY_TYPES: ReadonlySet<number> = new Set([1002, 1003, 1005, 1009, 1028]);

function withArrays(row: Row, names: readonly string[]): Row {
  const parsed = names.map((name) => [name, row[name] === null ? null : arrayOf(String(row[name]))]);
  return { ...row, ...Object.fromEntries(parsed) };
}

/** The elements of a one-dimensional array as PostgreSQL writes it: `{a,"b c",NULL}`. */
function arrayOf(text: string): readonly (string | null)[] {
  const elements = text.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|([^,]+)/gs);
  return [...elements].map(([, quoted, bare]) => {
    if (quoted !== undefined) return quoted.replaceAll(/\\(.)/gs, "$1");
    return bare === "NULL" ? null : (bare ?? "");
  });
}
