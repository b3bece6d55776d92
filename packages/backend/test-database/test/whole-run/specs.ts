import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, expect, test } from "vitest";
import { createTestDatabase, createTestRole, type TestDatabase } from "../../src/index.ts";
import { sharedTemplate } from "./template.ts";

const ofModule = await createTestDatabase();
let ofFile: TestDatabase;
beforeAll(async () => {
  ofFile = await createTestDatabase({ template: await sharedTemplate() });
  await createTestRole();
});

test("clones of the template that all files share", async () => {
  const { sql } = await createTestDatabase({ template: await sharedTemplate() });
  expect(await sql`select * from shared`).toHaveLength(1);
  expect(await ofFile.sql`select * from shared`).toHaveLength(1);
  expect(await ofModule.sql`select 1`).toHaveLength(1);
});

// Vitest takes the one that began last for the one that is running, and that ends first.
test.concurrent("a concurrent test keeps its database while another one ends", async () => {
  await sleep(20);
  const { sql } = await createTestDatabase();
  expect(await sql`select pg_sleep(0.4)`).toHaveLength(1);
});

test.concurrent("a concurrent test that ends early", async () => {
  await sleep(100);
  expect(await ofModule.sql`select 1`).toHaveLength(1);
});
