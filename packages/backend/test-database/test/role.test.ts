import postgres from "postgres";
import { expect, test } from "vitest";
import { createTestDatabase, createTestRole } from "../src/index.ts";
import { adminSql } from "../src/run.ts";

async function exists(role: string): Promise<boolean> {
  return (await adminSql()`select 1 from pg_roles where rolname = ${role}`).length === 1;
}

test("a test role logs in with its password and may not create anything", async () => {
  const database = await createTestDatabase();
  const role = await createTestRole({ password: "it's p@ss:word/%" });
  const sql = postgres(role.urlOf(database), { max: 1 });
  expect(await sql`select current_user as user`).toEqual([{ user: role.name }]);
  await expect(sql`create schema mine`).rejects.toMatchObject({ code: "42501" });
  await sql.end();
});

test("a test role's password is needed", async () => {
  const database = await createTestDatabase();
  const role = await createTestRole();
  const url = role.urlOf(database).replace(role.password, "wrong");
  const sql = postgres(url, { max: 1 });
  await expect(sql`select 1`).rejects.toMatchObject({ code: "28P01" });
  await sql.end();
});

test("a test role's sessions have its settings", async () => {
  const database = await createTestDatabase();
  const role = await createTestRole({ settings: { default_transaction_read_only: "on" } });
  const sql = postgres(role.urlOf(database), { max: 1 });
  expect(await sql`show transaction_read_only`).toEqual([{ transaction_read_only: "on" }]);
  await sql.end();
});

test("dropping a role takes along what it owns and was granted, wherever that is", async () => {
  const database = await createTestDatabase();
  const role = await createTestRole();
  const owner = database.sql(role.name);
  await database.sql`grant create on database ${database.sql(database.name)} to ${owner}`;
  await database.sql`create schema mine authorization ${owner}`;
  await database.sql`create table mine.thing ()`;
  await role.drop();
  expect(await exists(role.name)).toBe(false);
  expect(await database.sql`select to_regnamespace('mine') as found`).toEqual([{ found: null }]);
});
