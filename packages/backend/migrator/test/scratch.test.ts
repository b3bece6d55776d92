import { createTestDatabase, createTestRole } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { replay } from "../src/apply/replay.ts";
import { readSettings } from "../src/config.ts";
import { withUrl } from "../src/database/connect.ts";
import { type Scratch, withScratch } from "../src/database/scratch.ts";
import { readFolder } from "../src/folder/read.ts";
import { failureOf, readTables } from "./support/database.ts";
import { BREAKPOINT, makeFolder, THREE } from "./support/folder.ts";

const NOWHERE = { url: undefined, embedded: undefined };

/** Names of the scratch databases on a server. */
async function scratchNames(sql: Awaited<ReturnType<typeof createTestDatabase>>["sql"]) {
  const rows = await sql<{ name: string }[]>`
    select datname as name from pg_database where starts_with(datname, 'migrator_scratch_')`;
  return rows.map(({ name }) => name);
}

function nameOf(url: string): string {
  return new URL(url).pathname.slice(1);
}

async function one<T>(url: string, sql: string): Promise<T | undefined> {
  return withUrl(url, async (database) => (await database.sql.unsafe<{ value: T }[]>(sql))[0]?.value);
}

describe("scratch databases", () => {
  test("stand beside the target, empty and with its locale, and are gone afterwards", async () => {
    const { url, sql } = await createTestDatabase();
    const made = await withScratch(NOWHERE, url, async (scratch) => {
      const [first, second] = [await scratch.create(), await scratch.create()];
      expect(scratch).toMatchObject({ place: "target", major: expect.any(Number) });
      expect(await scratchNames(sql)).toEqual(expect.arrayContaining([nameOf(first), nameOf(second)]));
      const locale =
        "select datcollate || datctype || encoding as value from pg_database where datname = current_database()";
      expect(await one(first, locale)).toBe(await one(url, locale));
      return [first, second];
    });
    const left = await scratchNames(sql);
    for (const url of made) expect(left).not.toContain(nameOf(url));
  });

  test("can be made as another of them is", async () => {
    const { url } = await createTestDatabase();
    await withScratch(NOWHERE, url, async (scratch) => {
      const first = await scratch.create();
      await one(first, "create table made ()");
      const copy = await scratch.create(first);
      expect(await one(copy, "select to_regclass('made')::text as value")).toBe("made");
    });
  });

  test("are gone also after work that failed while it was connected to them", async () => {
    const { url, sql } = await createTestDatabase();
    let made = "";
    const work = async (scratch: Scratch) => {
      made = await scratch.create();
      return withUrl(made, async () => {
        throw new Error("the work failed");
      });
    };
    await expect(withScratch(NOWHERE, url, work)).rejects.toThrow("the work failed");
    expect(await scratchNames(sql)).not.toContain(nameOf(made));
  });

  test("of killed runs are removed by the next one, those of a living session are left", async () => {
    const { url, sql } = await createTestDatabase();
    const [own] = await sql<{ name: string }[]>`
      select 'migrator_scratch_' || pid || '_' || (extract(epoch from backend_start) * 1000)::bigint || '_0' as name
      from pg_stat_activity where pid = pg_backend_pid()`;
    const dead = `migrator_scratch_${process.pid + 900_000}_1_0`;
    const living = own?.name ?? "";
    for (const name of [dead, living]) await sql`create database ${sql(name)}`;
    try {
      await withScratch(NOWHERE, url, async () => undefined);
      const left = await scratchNames(sql);
      expect(left).toContain(living);
      expect(left).not.toContain(dead);
    } finally {
      await sql`drop database ${sql(living)}`;
    }
  });

  test("stand on the configured server where the target's role may not create databases", async () => {
    const target = await createTestDatabase();
    const role = await createTestRole();
    const { url } = await createTestDatabase();
    const place = await withScratch({ ...NOWHERE, url }, role.urlOf(target), async (scratch) => {
      await scratch.create();
      return scratch.place;
    });
    expect(place).toBe("configured");
  });

  test("are refused with what to do where there is no place for them", async () => {
    const target = await createTestDatabase();
    const role = await createTestRole();
    const error = await failureOf(withScratch(NOWHERE, role.urlOf(target), async () => undefined));
    expect(error).toMatchObject({ code: "no-scratch", exitCode: 2, state: "nothing was changed" });
    expect(error.fix).toContain("SCRATCH_DATABASE_URL");
  });
});

describe("replay", () => {
  test("runs migrations, but nothing that reaches beyond the database", async () => {
    const { url, sql } = await createTestDatabase();
    const beyond = {
      tag: "0003_beyond",
      sql: [
        "CREATE ROLE never_made; CREATE TABLE kept ();",
        "ALTER SYSTEM SET log_min_duration_statement = '1234ms';",
        "CREATE DATABASE never_made;",
        "COMMENT ON DATABASE never_made IS 'x';",
      ].join(BREAKPOINT),
    };
    const settings = await readSettings({ migrations: await makeFolder([...THREE, beyond]), url });
    const { migrations } = await readFolder(settings.migrations);
    await replay(settings, url, migrations, new AbortController().signal);
    expect(await readTables(sql)).toEqual(["author", "book", "kept"]);
    expect(await sql`select from pg_roles where rolname = 'never_made'`).toHaveLength(0);
    expect(await sql`select from pg_database where datname = 'never_made'`).toHaveLength(0);
    expect(await sql`select from pg_file_settings where setting = '1234ms'`).toHaveLength(0);
  });
});
