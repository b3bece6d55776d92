import { createTestDatabase } from "@repo/test-database";
import { expect, test } from "vitest";
import { type Event, migrate } from "../src/index.ts";
import { makeFolder } from "./support/folder.ts";

test("the progress of an index is told in whole percents", async () => {
  const database = await createTestDatabase();
  // Seven pages of rows, one a page, and a pause for each: sevenths have no short decimal fraction.
  await database.sql.unsafe(`
    create function slow(n int) returns int immutable language plpgsql as $$ begin perform pg_sleep(0.3); return n; end $$;
    create table wide (n int, filler text);
    alter table wide alter filler set storage plain;
    insert into wide select n, repeat('x', 7000) from generate_series(1, 7) n`);
  const heard: string[] = [];
  const on = (event: Event) => {
    if (event.type === "sighting" && event.progress?.includes("%")) heard.push(event.progress);
  };
  const migrations = await makeFolder([
    { tag: "0000_slow", sql: "CREATE INDEX CONCURRENTLY wide_slow ON wide (slow(n));" },
  ]);
  await migrate({ migrations, url: database.url, on });
  expect(heard).not.toEqual([]);
  for (const progress of heard) expect(progress).toMatch(/, \d{1,3} %$/);
});
