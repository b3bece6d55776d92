import postgres, { type Sql } from "postgres";

/** Makes databases on the bench's server. */
export interface Databases {
  /**
   * Makes an empty database. None is dropped before the end: file systems make new files more slowly for some seconds
   * after many were deleted (ext4 passes over their inodes), and tables are files.
   * @returns its URL
   */
  create(): Promise<string>;
  /** `server_version`, e.g. `17.10` */
  readonly version: string;
  close(): Promise<void>;
}

/** @param url a superuser's URL */
export async function connectDatabases(url: string): Promise<Databases> {
  const admin = quietClient(url);
  const [row] = await admin<{ server_version: string }[]>`SHOW server_version`;
  let count = 0;
  return {
    async create() {
      const name = `bench_${count++}`;
      await admin`CREATE DATABASE ${admin(name)}`;
      return urlOf(url, name);
    },
    version: row?.server_version ?? "",
    close: () => admin.end(),
  };
}

/** A client with one connection that prints no notices. */
export function quietClient(url: string): Sql {
  return postgres(url, { max: 1, onnotice: () => undefined });
}

/** Runs SQL on a connection of its own. */
export async function runSql(url: string, text: string): Promise<void> {
  const sql = quietClient(url);
  try {
    await sql.unsafe(text);
  } finally {
    await sql.end();
  }
}

/** A runner that is fast because it does nothing must not win. @throws Error where it has not made all tables */
export async function assertTables(url: string, name: string, tables: number): Promise<void> {
  const sql = quietClient(url);
  try {
    const rows = await sql`select from pg_tables where tablename ~ '^item_'`;
    if (rows.length !== tables) throw new Error(`${name} made ${rows.length} of ${tables} tables`);
  } finally {
    await sql.end();
  }
}

function urlOf(url: string, database: string): string {
  return Object.assign(new URL(url), { pathname: `/${database}` }).href;
}
