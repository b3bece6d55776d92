import { readFile } from "node:fs/promises";
import { migrate } from "@repo/migrator";
import { createTestDatabase, createTestRole } from "@repo/test-database";
import postgres from "postgres";
import { expect, onTestFinished, test } from "vitest";
import { readCatalog } from "./catalog.ts";
import { createDatabaseOf0007, migrations, readJournal, wishlistTag } from "./migrations.ts";

const page = await readFile(new URL("../docs/runbook.md", import.meta.url), "utf8");

/** The SQL block that begins with this comment. */
function block(comment: string): string {
  const blocks = [...page.matchAll(/```sql\n(.*?)```/gs)].map((match) => match[1] ?? "");
  const found = blocks.find((text) => text.startsWith(`-- ${comment}`));
  if (found === undefined) throw new Error(`runbook.md has no SQL block that begins with "-- ${comment}"`);
  return found;
}

/** On one connection, as psql would: the blocks hold BEGIN and COMMIT. */
async function runAlone(url: string, text: string) {
  const client = postgres(url, { max: 1, onnotice: () => undefined });
  await client.unsafe(text).finally(() => client.end());
}

test("the verification queries count 19, 5, 2 and 1 after 0007 and nothing before it", async () => {
  const before = await createTestDatabase();
  await migrate({ url: before.url, migrations, to: "0006_sets" });
  const after = await createDatabaseOf0007();
  const verify = block("verification");
  expect([...(await before.sql.unsafe(verify))]).toEqual([
    { columns: 0, indexes: 0, enums: 0, ledger_rows: 0 },
  ]);
  expect([...(await after.sql.unsafe(verify))]).toEqual([
    { columns: 19, indexes: 5, enums: 2, ledger_rows: 1 },
  ]);
});

test("the checklist finds nothing in the way of 0007 before it, and the table after it", async () => {
  const before = await createTestDatabase();
  const after = await createDatabaseOf0007();
  const look = async (database: typeof before) => (await database.sql.unsafe(block("checklist"))).flat()[0];
  expect(await look(before)).toEqual({
    table_in_the_way: null,
    store_in_the_way: null,
    currency_in_the_way: null,
  });
  expect(await look(after)).toMatchObject({ table_in_the_way: "wishlist_items" });
});

test("a rollback by hand leaves 0007 pending, and migrating brings it back", async () => {
  const { sql, url } = await createDatabaseOf0007();
  const before = await readCatalog(sql);
  await runAlone(url, block("rollback"));
  expect((await readCatalog(sql)).columns.map(({ table }) => table)).not.toContain("public.wishlist_items");
  const { applied } = await migrate({ url, migrations, to: wishlistTag });
  expect(applied.map(({ tag }) => tag)).toEqual([wishlistTag]);
  expect(await readCatalog(sql)).toEqual(before);
});

test("a wishlist_items that no migration made is moved away with its rows, and 0007 applies", async () => {
  const { sql, url } = await createTestDatabase();
  await migrate({ url, migrations, to: "0006_sets" });
  await sql.unsafe(`
    CREATE TYPE wishlist_store AS ENUM ('LEGO');
    CREATE TYPE wishlist_currency AS ENUM ('USD');
    CREATE TABLE wishlist_items (id int PRIMARY KEY, store wishlist_store);
    CREATE INDEX idx_wishlist_user_id ON wishlist_items (id);
    INSERT INTO wishlist_items VALUES (1, 'LEGO')`);
  await expect(migrate({ url, migrations, to: wishlistTag })).rejects.toMatchObject({
    cause: { code: "42710" },
  });

  await sql.unsafe(block("what is there"));
  await runAlone(url, block("out of the way"));
  await migrate({ url, migrations, to: wishlistTag });

  expect([...(await sql`SELECT id FROM before_0007.wishlist_items`)]).toEqual([{ id: 1 }]);
  expect([...(await sql`SELECT id FROM public.wishlist_items`)]).toEqual([]);
});

test("with the permissions of the runbook one role migrates, and the other uses the tables but cannot alter them", async () => {
  const database = await createTestDatabase();
  const [migrator, app] = [await createTestRole(), await createTestRole()];
  await database.sql.unsafe(
    block("permissions")
      .replaceAll(/\bmigrator\b/g, `"${migrator.name}"`)
      .replaceAll(/\bapp\b/g, `"${app.name}"`),
  );

  const { applied } = await migrate({ url: migrator.urlOf(database), migrations });
  expect(applied).toHaveLength((await readJournal()).length);

  const client = postgres(app.urlOf(database), { max: 1, onnotice: () => undefined });
  onTestFinished(() => client.end());
  await client`INSERT INTO wishlist_items (user_id, title, store) VALUES ('user', 'Rivendell', 'LEGO')`;
  expect(await client`UPDATE wishlist_items SET priority = 5 RETURNING id`).toHaveLength(1);
  await expect(client`DROP TABLE wishlist_items`).rejects.toMatchObject({ code: "42501" });
  await expect(client`CREATE TABLE public.mine (id int)`).rejects.toMatchObject({ code: "42501" });
});
