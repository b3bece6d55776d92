import postgres from "postgres";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { adminUrl, createTemplate, createTestDatabase, type TestDatabase } from "../src/index.ts";
import { adminSql } from "../src/run.ts";

async function exists(name: string): Promise<boolean> {
  return (await adminSql()`select 1 from pg_database where datname = ${name}`).length === 1;
}

async function notesTemplate() {
  return createTemplate("notes", async (url) => {
    const sql = postgres(url, { max: 1 });
    await sql`create table note (id int primary key, text text not null)`;
    await sql`insert into note values (1, 'from the template')`;
    await sql.end();
  });
}

test("each test database is another one, and the client is connected to it", async () => {
  const [a, b] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  await a.sql`create table only_in_a ()`;
  const [row] = await b.sql`select current_database() as name, to_regclass('only_in_a') as found`;
  expect(row).toEqual({ name: b.name, found: null });
  expect(a.name).not.toBe(b.name);
});

test("the URL of a test database leads to it with the superuser's password", async () => {
  const database = await createTestDatabase();
  const sql = postgres(database.url, { max: 1 });
  const [row] = await sql`select current_database() as name, current_user as user`;
  await sql.end();
  expect(row).toEqual({ name: database.name, user: decodeURIComponent(new URL(adminUrl()).username) });
});

test("a clone carries the template's rows, and a change in one clone reaches no other", async () => {
  const template = await notesTemplate();
  const first = await createTestDatabase({ template });
  await first.sql`update note set text = 'changed'`;
  const second = await createTestDatabase({ template });
  expect(await second.sql`select id, text from note`).toEqual([{ id: 1, text: "from the template" }]);
});

test("many clones of one template can be made at the same time", async () => {
  const template = await notesTemplate();
  const clones = await Promise.all(Array.from({ length: 8 }, () => createTestDatabase({ template })));
  const counts = await Promise.all(
    clones.map(async ({ sql }) => (await sql`select count(*)::int from note`)[0]),
  );
  expect(counts).toEqual(Array.from({ length: 8 }, () => ({ count: 1 })));
  await Promise.all(clones.map((clone) => clone.drop()));
});

test("a clone is made and dropped in a fraction of a second", async () => {
  const template = await notesTemplate();
  const times: number[] = [];
  for (let i = 0; i < 7; i++) {
    const start = performance.now();
    await (await createTestDatabase({ template })).drop();
    times.push(performance.now() - start);
  }
  // About 20 ms where the machine is free; the bound allows for other test files on two cores.
  expect(times.sort((a, b) => a - b)[3]).toBeLessThan(500);
});

test("a database is dropped although connections to it are open and busy", async () => {
  const database = await createTestDatabase();
  // The driver would forget a query whose connection goes while it still asks for types.
  const [other, witness] = [1, 2].map(() =>
    postgres(database.url, { max: 1, fetch_types: false, onnotice: () => {} }),
  ) as [postgres.Sql, postgres.Sql];
  await database.sql`select 1`;
  const sleeping = expect(other`select pg_sleep(60)`).rejects.toThrow();
  const own = expect(database.sql`select pg_sleep(60)`).rejects.toThrow();
  const busy = async () =>
    (
      await witness`select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`
    ).length;
  await expect.poll(busy, { timeout: 30_000 }).toBe(2);
  await witness.end();
  await database.drop();
  await Promise.all([sleeping, own]);
  await other.end({ timeout: 0 });
  expect(await exists(database.name)).toBe(false);
});

test("dropping twice is no error", async () => {
  const database = await createTestDatabase();
  await database.drop();
  await database.drop();
  expect(await exists(database.name)).toBe(false);
});

describe("the lifetime of a test database", () => {
  let ofFile: TestDatabase;
  let ofEach: TestDatabase;
  const earlier: { test?: string; each?: string } = {};
  beforeAll(async () => {
    ofFile = await createTestDatabase();
  });
  beforeEach(async () => {
    ofEach = await createTestDatabase();
  });

  test("is the test that created it", async () => {
    const database = await createTestDatabase();
    Object.assign(earlier, { test: database.name, each: ofEach.name });
    expect(await exists(database.name)).toBe(true);
    expect(await exists(ofEach.name)).toBe(true);
  });

  test("has ended in the next test, also where a beforeEach created it", async () => {
    expect(await exists(earlier.test ?? "")).toBe(false);
    expect(await exists(earlier.each ?? "")).toBe(false);
    expect(await exists(ofEach.name)).toBe(true);
  });

  test("is the whole file where a beforeAll created it", async () => {
    expect(await exists(ofFile.name)).toBe(true);
  });
});
