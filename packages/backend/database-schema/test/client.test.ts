import { createServer } from "node:net";
import { createTestDatabase } from "@repo/test-database";
import { sql as expression } from "drizzle-orm";
import { describe, expect, onTestFinished, test } from "vitest";
import { createDatabase, type DatabaseSettings } from "../src/client.ts";
import { wishlistItems } from "../src/index.ts";
import { createMigratedDatabase } from "./migrations.ts";

describe("createDatabase", () => {
  test("writes and reads a wishlist item through Drizzle", async () => {
    const { db } = connect(await createMigratedDatabase());
    const item = {
      userId: "user",
      title: "Rivendell",
      store: "LEGO" as const,
      price: "499.99",
      releaseDate: new Date("2023-03-08T00:00:00.000Z"),
      tags: ["castle", "größe 🏰"],
    };
    const [written] = await db.insert(wishlistItems).values(item).returning();
    const [read] = await db.query.wishlistItems.findMany();
    expect(read).toEqual(written);
    expect(read).toMatchObject({ ...item, currency: "USD", priority: 0, sortOrder: 0 });
  });

  test("tags are stored as a JSON array, not as a string that holds one", async () => {
    const { db, sql } = connect(await createMigratedDatabase());
    await db.insert(wishlistItems).values({ userId: "user", title: "Rivendell", store: "LEGO", tags: ["a"] });
    expect([...(await sql`SELECT jsonb_typeof(tags) AS type FROM wishlist_items`)]).toEqual([
      { type: "array" },
    ]);
  });

  test("an update moves updated_at and leaves created_at", async () => {
    const { db } = connect(await createMigratedDatabase());
    await db.insert(wishlistItems).values({ userId: "user", title: "Rivendell", store: "LEGO" });
    const [item] = await db.update(wishlistItems).set({ priority: 5 }).returning();
    expect(item?.updatedAt.getTime()).toBeGreaterThan(item?.createdAt.getTime() ?? 0);
  });

  test("created_at is the moment of the insert although the database lives in another time zone", async () => {
    const database = await createMigratedDatabase();
    await database.sql.unsafe(`ALTER DATABASE "${database.name}" SET TimeZone = 'Asia/Tokyo'`);
    const { db } = connect(database);
    const [item] = await db
      .insert(wishlistItems)
      .values({ userId: "user", title: "Rivendell", store: "LEGO" })
      .returning();
    expect(Math.abs((item?.createdAt.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
  });
});

describe("limits", () => {
  test("PostgreSQL cancels a statement that runs longer than statementTimeoutMs", async () => {
    const { db, sql } = connect(await createTestDatabase(), { statementTimeoutMs: 100 });
    await expect(sql`SELECT pg_sleep(20)`).rejects.toMatchObject({ code: "57014" });
    await expect(db.execute(expression`SELECT pg_sleep(20)`)).rejects.toMatchObject({
      cause: { code: "57014" },
    });
  });

  test("without statementTimeoutMs a statement may take 30 seconds", async () => {
    const { sql } = connect(await createTestDatabase());
    expect([...(await sql`SHOW statement_timeout`)]).toEqual([{ statement_timeout: "30s" }]);
  });

  test("the pool opens no more connections than poolSize", async () => {
    const { sql } = connect(await createTestDatabase(), { poolSize: 2 });
    const queries = Array.from({ length: 8 }, () => sql`SELECT pg_backend_pid() AS pid, pg_sleep(0.05)`);
    const pids = (await Promise.all(queries)).map((rows) => rows[0]?.pid);
    expect(new Set(pids).size).toBe(2);
  });

  test("an unused connection is closed after idleTimeoutMs", async () => {
    const database = await createTestDatabase();
    const { sql } = connect(database, { idleTimeoutMs: 100, applicationName: "idle-test" });
    await sql`SELECT 1`;
    await expect.poll(() => countSessions(database, "idle-test"), { timeout: 5_000 }).toBe(0);
  });

  test("connecting to a server that does not answer ends after connectTimeoutMs", async () => {
    const port = await listen(() => undefined);
    const { sql } = connect({ url: `postgres://user@127.0.0.1:${port}/database` }, { connectTimeoutMs: 200 });
    await expect(sql`SELECT 1`).rejects.toMatchObject({ code: "CONNECT_TIMEOUT" });
  });

  test.each([{ poolSize: 0 }, { idleTimeoutMs: -1 }, { connectTimeoutMs: 0.5 }, { statementTimeoutMs: NaN }])(
    "%o is refused",
    (settings) => {
      const create = () => createDatabase({ url: "postgres://127.0.0.1/database", ...settings });
      expect(create).toThrow(RangeError);
      expect(create).toThrow(Object.keys(settings)[0]);
    },
  );
});

describe("a transaction pooler", () => {
  const preparedStatements = async (settings: Partial<DatabaseSettings>) => {
    const { sql } = connect(await createTestDatabase(), { ...settings, poolSize: 1 });
    for (let round = 0; round < 2; round++) await sql`SELECT ${round}::int`;
    return sql`SELECT name FROM pg_prepared_statements`;
  };

  test("gets no prepared statement", async () => {
    expect([...(await preparedStatements({ transactionPooler: true }))]).toEqual([]);
  });

  test("is the reason: a direct connection does prepare statements", async () => {
    expect((await preparedStatements({})).length).toBeGreaterThan(0);
  });

  test("is asked for nothing at the start but what PgBouncer passes on", async () => {
    const parameters = startupParameters({ transactionPooler: true });
    expect(Object.keys(await parameters).sort()).toEqual([
      "TimeZone",
      "application_name",
      "client_encoding",
      "database",
      "user",
    ]);
  });

  test("refuses a statement timeout and names what to do instead", () => {
    const settings = {
      url: "postgres://127.0.0.1/database",
      transactionPooler: true,
      statementTimeoutMs: 100,
    };
    expect(() => createDatabase(settings as unknown as DatabaseSettings)).toThrow(/ALTER ROLE/);
  });
});

describe("close", () => {
  test("ends every connection, and later queries are refused", async () => {
    const database = await createTestDatabase();
    const pool = connect(database, { applicationName: "close-test" });
    await Promise.all([pool.sql`SELECT pg_sleep(0.05)`, pool.sql`SELECT pg_sleep(0.05)`]);
    expect(await countSessions(database, "close-test")).toBe(2);
    await pool.close();
    await expect.poll(() => countSessions(database, "close-test")).toBe(0);
    await expect(pool.sql`SELECT 1`).rejects.toMatchObject({ code: "CONNECTION_ENDED" });
  });

  test("waits for a running query", async () => {
    const pool = connect(await createTestDatabase());
    const running = pool.sql`SELECT pg_sleep(0.3), 1 AS one`.then((rows) => rows[0]?.one);
    await pool.sql`SELECT 1`;
    await pool.close();
    expect(await running).toBe(1);
  });

  test("gives up on a running query after the grace", async () => {
    const database = await createTestDatabase();
    const pool = connect(database);
    const running = expect(pool.sql`SELECT pg_sleep(20)`).rejects.toMatchObject({
      code: "CONNECTION_DESTROYED",
    });
    // Before it the driver asks a new connection for types, and nobody would hear what became of that.
    const sleeping = () => database.sql`
      SELECT FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT pg_sleep(20)' AND wait_event = 'PgSleep'`;
    await expect.poll(async () => (await sleeping()).length, { timeout: 30_000 }).toBe(1);
    await pool.close(100);
    await running;
  });
});

/** A pool that is closed when the test ends. */
function connect(database: { readonly url: string }, settings: Partial<DatabaseSettings> = {}) {
  const pool = createDatabase({ url: database.url, ...settings } as DatabaseSettings);
  onTestFinished(() => pool.close(0));
  return pool;
}

async function countSessions(database: Awaited<ReturnType<typeof createTestDatabase>>, application: string) {
  const rows = await database.sql`
    SELECT count(*)::int AS count FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = ${application}`;
  return rows[0]?.count;
}

/** A server that takes connections and hands over the first bytes of each, without ever answering. */
async function listen(receive: (bytes: Buffer) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", receive);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}

/** What a client asks for in its first message: int32 length, int32 version, then names and values ended by NUL. */
async function startupParameters(settings: Partial<DatabaseSettings>): Promise<Record<string, string>> {
  const message = await new Promise<Buffer>((resolve, reject) => {
    listen(resolve).then(async (port) => {
      const url = `postgres://user@127.0.0.1:${port}/database`;
      const pool = createDatabase({ url, connectTimeoutMs: 2_000, ...settings } as DatabaseSettings);
      pool.sql`SELECT 1`.catch(reject);
    }, reject);
  });
  const words = message.subarray(8).toString("utf8").split("\0");
  const pairs = words.flatMap((word, index) =>
    index % 2 === 0 && word !== "" ? [[word, words[index + 1] ?? ""]] : [],
  );
  return Object.fromEntries(pairs);
}
