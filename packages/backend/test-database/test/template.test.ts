import postgres from "postgres";
import { expect, test } from "vitest";
import { createTemplate, createTestDatabase } from "../src/index.ts";
import { adminSql } from "../src/run.ts";

async function run(url: string, statement: string): Promise<void> {
  const sql = postgres(url, { max: 1 });
  await sql.unsafe(statement);
  await sql.end();
}

test("a template that several ask for at once is built once", async () => {
  let builds = 0;
  const ask = () =>
    createTemplate("built once", async (url) => {
      builds++;
      await run(url, "create table built ()");
    });
  const templates = await Promise.all([ask(), ask(), ask(), ask()]);
  await ask();
  expect(builds).toBe(1);
  expect(new Set(templates.map(({ database }) => database)).size).toBe(1);
});

test("a failed build is reported and leaves nothing behind, and the next to ask builds anew", async () => {
  const half = createTemplate("fails first", async (url) => {
    await run(url, "create table half ()");
    throw new Error("the build broke");
  });
  await expect(half).rejects.toThrow("the build broke");
  const left = await adminSql()`select datname from pg_database where datname like '%fails_first%'`;
  expect(left).toHaveLength(0);

  const template = await createTemplate("fails first", (url) => run(url, "create table whole ()"));
  const { sql } = await createTestDatabase({ template });
  const [row] = await sql`select to_regclass('half') as half, to_regclass('whole')::text as whole`;
  expect(row).toEqual({ half: null, whole: "whole" });
});

test("those who wait for a failing build build for themselves", async () => {
  let builds = 0;
  const ask = () =>
    createTemplate("fails for the first only", async (url) => {
      if (++builds === 1) throw new Error("the build broke");
      await run(url, "create table whole ()");
    });
  const outcomes = await Promise.allSettled([ask(), ask(), ask()]);
  expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "fulfilled", "rejected"]);
  expect(builds).toBe(2);
});

test("a connection that the build left open does not spoil the template", async () => {
  let forgotten: postgres.Sql | undefined;
  const template = await createTemplate("left open", async (url) => {
    forgotten = postgres(url, { max: 1, onnotice: () => {} });
    await forgotten`create table kept ()`;
  });
  const { sql } = await createTestDatabase({ template });
  expect(await sql`select to_regclass('kept')::text as kept`).toEqual([{ kept: "kept" }]);
  await forgotten?.end({ timeout: 0 });
});

test("two names that look alike are two templates", async () => {
  const first = await createTemplate("a b", (url) => run(url, "create table one ()"));
  const second = await createTemplate("a_b", (url) => run(url, "create table two ()"));
  expect(first.database).not.toBe(second.database);
  expect(second.database.length).toBeLessThanOrEqual(62);
});
