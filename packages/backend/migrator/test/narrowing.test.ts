import { join } from "node:path";
import { createTestDatabase } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { readSettings } from "../src/config.ts";
import { migrate, rollback } from "../src/index.ts";
import { draftDowns } from "../src/verify/downs.ts";
import { migratedPlace, type Place, putBack, saveAndDrop } from "./support/backups.ts";
import { runCli } from "./support/cli.ts";
import { failureOf } from "./support/database.ts";
import { BREAKPOINT, makeFolder } from "./support/folder.ts";

/** A table with a column of one type, which a migration changes, and rows that came since. */
async function narrowed(
  { from = "varchar(5)", to = "text", down = "" }: { from?: string; to?: string; down?: string },
  values: readonly string[],
): Promise<Place> {
  const alter = (type: string) => `ALTER TABLE big ALTER COLUMN v TYPE ${type}`;
  const place = await migratedPlace([
    {
      tag: "0000_big",
      sql: `CREATE TYPE mood AS ENUM ('sad', 'ok');${BREAKPOINT}CREATE TABLE big (id int PRIMARY KEY, v ${from});`,
    },
    {
      tag: "0001_wider",
      sql: `${alter(to)} USING v::text::${to};`,
      down: down || `${alter(from)} USING v::${from};`,
    },
  ]);
  for (const [id, value] of values.entries())
    await place.sql.unsafe(`insert into big values (${id}, ${value})`);
  return place;
}

const CUT = { to: "text" };

describe("a rollback that gives a column a type that does not hold its values", () => {
  test.each<[string, Parameters<typeof narrowed>[0], readonly string[], string]>([
    [
      "cuts off texts",
      CUT,
      ["'short'", "'much too long'", "NULL"],
      "makes column big.v character varying(5), which alters 1 value",
    ],
    [
      "rounds numbers",
      { from: "numeric(10,2)", to: "numeric" },
      ["1.5", "1.555", "2.001"],
      "makes column big.v numeric(10,2), which alters 2 values",
    ],
    [
      "gives values of an enum to another",
      {
        from: "mood",
        to: "text",
        down: "ALTER TABLE big ALTER v TYPE mood USING (CASE v WHEN 'fine' THEN 'ok' ELSE v END)::mood;",
      },
      ["'fine'", "'ok'"],
      "makes column big.v mood, which alters 1 value",
    ],
  ])("%s: is refused, and changes nothing", async (_, types, values, words) => {
    const { input, sql } = await narrowed(types, values);
    const before = await sql`select * from big`;
    const error = await failureOf(rollback(input));
    expect(error).toMatchObject({ code: "data-loss", exitCode: 2, details: [`0001_wider ${words}`] });
    expect(await sql`select * from big`).toEqual(before);
  });

  test.each<[string, Parameters<typeof narrowed>[0], readonly string[]]>([
    ["short texts", CUT, ["'short'", "''", "NULL"]],
    [
      "whole numbers with fewer digits behind the point",
      { from: "integer", to: "numeric(10,2)" },
      ["1", "-7"],
    ],
    ["times", { from: "timestamp", to: "timestamptz" }, ["'2026-01-01 12:00'"]],
    ["texts of another type", { from: "boolean", to: "text" }, ["'true'", "'false'"]],
  ])("goes on where all values stay: %s", async (_, types, values) => {
    const { input } = await narrowed(types, values);
    expect(await rollback(input)).toMatchObject({ rolledBack: [{ tag: "0001_wider" }], lost: [] });
  });

  test("saves the values where that is allowed, and restore puts them back where it may overwrite", async () => {
    const place = await narrowed(CUT, ["'short'", "'much too long'", "NULL"]);
    const before = await place.sql`select * from big order by id`;
    const folder = await saveAndDrop(place);
    expect(await place.sql`select v from big where id = 1`).toEqual([{ v: "much " }]);
    await migrate(place.input);
    expect(await failureOf(putBack(place, folder))).toMatchObject({
      code: "rows-in-the-way",
      message: "1 rows of public.big have other values in v now than those saved",
    });
    expect((await putBack(place, folder, { overwrite: true })).restored).toMatchObject([
      { rows: 1, alreadyThere: 1 },
    ]);
    expect(await place.sql`select * from big order by id`).toEqual(before);
  });

  test("says what was altered, and how it comes back", async () => {
    const place = await narrowed(CUT, ["'much too long'"]);
    const said = await runCli([
      "rollback",
      ...place.args,
      "--allow-data-loss",
      "--backup-folder",
      place.backups,
    ]);
    expect(said).toMatchObject({ exitCode: 0 });
    expect(said.stdout).toContain("altered: 1 value of column big.v, which is character varying(5) now\n");
    expect(said.stdout).toMatch(/migrator restore \S+ --overwrite\n/);
  });
});

test("a draft leaves it to PostgreSQL to refuse a text that is too long", async () => {
  const { url, sql } = await createTestDatabase();
  const folder = await makeFolder([
    { tag: "0000_big", sql: "CREATE TABLE big (id int PRIMARY KEY, v varchar(5));", down: "DROP TABLE big;" },
    { tag: "0001_wider", sql: "ALTER TABLE big ALTER COLUMN v TYPE text;" },
  ]);
  const settings = await readSettings({
    migrations: folder,
    url,
    schema: join(import.meta.dirname, "none.ts"),
  });
  const { drafts } = await draftDowns(settings, url, { write: true }, new AbortController().signal);
  expect(drafts).toMatchObject([
    { tag: "0001_wider", state: "proved", text: expect.not.stringContaining("USING") },
  ]);
  await migrate({ migrations: folder, url });
  await sql`insert into big values (1, 'much too long')`;
  const error = await failureOf(rollback({ migrations: folder, url, allowDataLoss: true }));
  expect(error).toMatchObject({ code: "statement-failed", state: "nothing was rolled back" });
  expect(error.details.join()).toContain("value too long for type character varying(5)");
});
