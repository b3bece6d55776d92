import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate } from "@repo/migrator";
import { generateMigration } from "drizzle-kit/api";
import postgres, { type Sql } from "postgres";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { selectWishlistItemSchema } from "../src/validation.ts";
import { readCatalog } from "./catalog.ts";
import { openMeasuring } from "./measure.ts";
import {
  createDatabaseOf0007,
  migrations,
  readJournal,
  readMigrationFile,
  wishlistTag,
} from "./migrations.ts";
import { deadLinksOf, readPage, sqlOf, tableOf } from "./pages.ts";
import { runCode } from "./running-code.ts";

const page = readPage("enums.md");

/** Every store and every currency of 0007 at least once, and NULL. */
const items = [
  { title: "a", store: "LEGO", currency: "USD", price: "1.00", notes: null, source_url: null },
  { title: "b", store: "Barweer", currency: "EUR", price: "2.00", notes: null, source_url: null },
  { title: "c", store: "Cata", currency: "GBP", price: "3.00", notes: null, source_url: null },
  { title: "d", store: "BrickLink", currency: "CAD", price: "4.00", notes: null, source_url: null },
  {
    title: "e",
    store: "Other",
    currency: "AUD",
    price: "5.00",
    notes: "gift",
    source_url: "https://www.lego.com/en-au/pick-and-build/pick-a-brick",
  },
  { title: "f", store: "Other", currency: null, price: null, notes: null, source_url: null },
] as const;

/** For what is taken back. */
let shared: { readonly sql: Sql; readonly url: string };

beforeAll(async () => {
  shared = await createDatabaseOf0007();
  await insertItems(shared.sql);
});

test("every link of the page leads to a file and a heading that are there", () => {
  expect(deadLinksOf("enums.md")).toEqual([]);
});

describe("the page's SQL, run in its order on a table with rows", () => {
  let sql: Sql;
  let url: string;
  let stores: readonly unknown[];
  const seen: string[] = [];

  beforeAll(async () => {
    ({ sql, url } = await createDatabaseOf0007());
    await insertItems(sql);
  });

  const storeOf = async (title: string) =>
    (await sql`SELECT store::text FROM wishlist_items WHERE title = ${title}`)[0]?.store;
  const storesNow = async () =>
    (await sql`SELECT store::text FROM wishlist_items ORDER BY title`).map(({ store }) => store);
  const codeNow = async () => {
    const { sql: client, tryOut } = openMeasuring(url);
    return (await tryOut("SELECT 1", () => runCode(client)))[1];
  };
  const valuesOf = async (name: string) =>
    (await readCatalog(sql)).enums.find((one) => one.name === `public.${name}`)?.values;

  /** What must hold after each block, in the page's order. */
  const checks: Readonly<Record<string, () => Promise<void>>> = {
    add: async () => {
      expect(await valuesOf("wishlist_store")).toEqual([
        "LEGO",
        "Barweer",
        "Cata",
        "BrickLink",
        "Pick a Brick",
        "Other",
      ]);
      expect(await storesNow()).toEqual(items.map(({ store }) => store));
      expect(await codeNow()).toBe("works");
    },
    use: async () => {
      expect(await storeOf("e")).toBe("Pick a Brick");
      expect(await storeOf("f")).toBe("Other");
    },
    rename: async () => {
      expect(await storeOf("c")).toBe("CaDA");
      expect(await valuesOf("wishlist_store")).toContain("CaDA");
      await expect(sql`UPDATE wishlist_items SET store = 'Cata'`).rejects.toMatchObject({ code: "22P02" });
    },
    remove: async () => {
      expect(await codeNow()).toBe("breaks (22P02)");
      stores = await storesNow();
      expect(stores).toEqual(["LEGO", "Other", "CaDA", "BrickLink", "Pick a Brick", "Other"]);
      expect(await valuesOf("wishlist_store")).toEqual([
        "LEGO",
        "CaDA",
        "BrickLink",
        "Pick a Brick",
        "Other",
      ]);
      expect((await readCatalog(sql)).indexes.map(({ definition }) => definition)).toContainEqual(
        expect.stringContaining("(user_id, store, priority)"),
      );
    },
    "dependents of the example": async () => undefined,
    "what depends on the column": async () => {
      const found = await sql.unsafe(sqlOf(page, "what depends on the column"));
      expect(found.map(({ object, definition }) => [object, definition])).toEqual([
        [
          "constraint wishlist_items_aud_check on table wishlist_items",
          "CHECK (((currency <> 'AUD'::wishlist_currency) OR (price IS NOT NULL)))",
        ],
        ["default value for column currency of table wishlist_items", "'USD'::wishlist_currency"],
        [
          "index idx_wishlist_items_gbp",
          expect.stringContaining("WHERE (currency = 'GBP'::wishlist_currency)"),
        ],
      ]);
    },
    "remove, with all that depends on the column": async () => {
      expect(await valuesOf("wishlist_currency")).toEqual(["USD", "EUR", "GBP", "CAD"]);
      const rows = await sql`SELECT currency::text, price, notes FROM wishlist_items ORDER BY title`;
      expect(rows.map(({ currency, price, notes }) => [currency, price, notes])).toEqual(
        items.map(({ currency, price, notes }) =>
          currency === "AUD" ? [null, null, "gift 5.00 AUD"] : [currency, price, notes],
        ),
      );
      const [added] = await sql`
        INSERT INTO wishlist_items (user_id, title, store) VALUES ('user', 'z', 'LEGO') RETURNING currency`;
      expect(added).toEqual({ currency: "USD" });
      await sql`DELETE FROM wishlist_items WHERE title = 'z'`;
      const { indexes, constraints } = await readCatalog(sql);
      expect(indexes.find(({ name }) => name === "public.idx_wishlist_items_gbp")?.definition).toContain(
        "WHERE (currency = 'GBP'::wishlist_currency)",
      );
      expect(constraints.map(({ name }) => name)).not.toContain("wishlist_items_aud_check");
    },
    "look-up table": async () => {
      const rows = await sql`SELECT name FROM wishlist_stores ORDER BY sort_order`;
      expect(rows.map(({ name }) => name)).toEqual(["LEGO", "CaDA", "BrickLink", "Pick a Brick", "Other"]);
    },
    "look-up table: the column": async () => undefined,
    "look-up table: the rows": async () => {
      const rows = await sql`SELECT store_name FROM wishlist_items ORDER BY title`;
      expect(rows.map(({ store_name }) => store_name)).toEqual(stores);
      const removing = sql`DELETE FROM wishlist_stores WHERE name = 'Other'`;
      await expect(removing).rejects.toMatchObject({ code: "23503" });
    },
  };

  test.each(page.blocks)("$name", async (block) => {
    const check = checks[block.name];
    if (check === undefined) throw new Error(`no check says what must hold after the block "${block.name}"`);
    const effect = await openMeasuring(url).run(block.sql);
    if (/^(?:ALTER|CREATE|DROP)\b/m.test(block.sql) && block.name !== "dependents of the example") {
      expect(effect).toEqual(block.claim);
    }
    await check();
    seen.push(block.name);
  });

  test("leaves no check without its block, and all rows in the table", async () => {
    expect(seen).toEqual(Object.keys(checks));
    expect(await sql`SELECT id FROM wishlist_items`).toHaveLength(items.length);
  });
});

describe("where a new value can be used", () => {
  const add = sqlOf(page, "add");
  const use = sqlOf(page, "use");
  const asDefault = "ALTER TABLE wishlist_items ALTER COLUMN store SET DEFAULT 'Pick a Brick'";
  const whole = `CREATE TYPE shelf AS ENUM ('top', 'low');
    ALTER TABLE wishlist_items ADD COLUMN shelf shelf DEFAULT 'low' NOT NULL;
    UPDATE wishlist_items SET shelf = 'top'`;

  /** What each line of the page's table means, as migrations behind 0007. */
  const cases: Readonly<Record<string, readonly string[]>> = {
    "in the migration that adds it": [`${add}--> statement-breakpoint\n${use}`],
    "as a column's default, in the migration that adds it": [`${add}--> statement-breakpoint\n${asDefault}`],
    "in the next migration, in the same pnpm db:migrate": [add, use],
    "in the migration that creates the whole type": [whole],
  };

  const lines = tableOf(page, "where the value is used").map((row) => ({
    where: row["where the value is used"] ?? "",
    result: row.result,
  }));

  test.each(lines)("$where: $result", async ({ where, result }) => {
    const { sql, url } = await createDatabaseOf0007();
    await insertItems(sql);
    const folder = await writeMigrations(cases[where] ?? []);
    expect(await migrate({ url, migrations: folder }).then(() => "works", refusal)).toBe(result);
  });

  test("every case has its line", () => {
    expect(lines.map(({ where }) => where)).toEqual(Object.keys(cases));
  });
});

test("code that does not know a new value reads it, and its validation refuses it", async () => {
  const { sql, url } = await createDatabaseOf0007();
  await insertItems(sql);
  const { run } = openMeasuring(url);
  await run(sqlOf(page, "add"));
  await run(sqlOf(page, "use"));
  expect(await runCode(postgresOf(url))).toBe("works");
  const { store } = selectWishlistItemSchema.shape;
  expect(store.safeParse("Other").success).toBe(true);
  expect(store.safeParse("Pick a Brick").success).toBe(false);
});

test("a renamed value can be used in the migration that renames it", async () => {
  const { sql, tryOut } = openMeasuring(shared.url);
  const renamed = () => sql`UPDATE wishlist_items SET store = 'CaDA' WHERE title = 'a'`;
  const [, { count }] = await tryOut(sqlOf(page, "rename"), renamed);
  expect(count).toBe(1);
});

describe("rebuilding a type", () => {
  const rebuild = (values: string, table: string) => `
    ALTER TYPE wishlist_currency RENAME TO wishlist_currency_old;
    CREATE TYPE wishlist_currency AS ENUM (${values});
    ${table}
    DROP TYPE wishlist_currency_old;`;
  const all = "'USD', 'EUR', 'GBP', 'CAD', 'AUD'";
  const alter = `ALTER TABLE wishlist_items ALTER COLUMN currency TYPE wishlist_currency USING currency::text::wishlist_currency;`;
  const dropDefault = "ALTER TABLE wishlist_items ALTER COLUMN currency DROP DEFAULT;";
  const tried = (text: string) =>
    openMeasuring(shared.url)
      .tryOut(text, async () => "works")
      .then(([, outcome]) => outcome, refusal);

  const dependents = tableOf(page, "what depends on the column").map((row) => ({
    what: row["what depends on the column"],
    statement: row.statement,
    result: row["without dropping it first"],
  }));

  test.each(dependents)("under this, undropped, $result: $what", async ({ what, statement, result }) => {
    const prepare = what === "default" ? `${statement};` : `${dropDefault} ${statement};`;
    expect(await tried(prepare), "the statement itself").toBe("works");
    // PostgreSQL 14 has another code for one of them than its successors.
    const [first = "", ...others] = result?.split(" or ") ?? [];
    const allowed = [first, ...others.map((code) => `refused, ${code}`)];
    expect(allowed).toContain(await tried(prepare + rebuild(all, alter)));
  });

  test("is refused by a row with a value that the new type lacks, and changes nothing", async () => {
    const before = await readCatalog(shared.sql);
    expect(await tried(dropDefault + rebuild("'USD', 'EUR', 'GBP', 'CAD'", alter))).toBe("refused, 22P02");
    expect(await readCatalog(shared.sql)).toEqual(before);
  });

  test("is refused at its end by another column of the type", async () => {
    const other = "ALTER TABLE wishlist_items ADD COLUMN paid_in wishlist_currency;";
    expect(await tried(other + dropDefault + rebuild(all, alter))).toBe("refused, 2BP01");
  });

  test("ends a read in a transaction once where the driver has prepared it by name, and Drizzle's never", async () => {
    const { sql, url } = await createDatabaseOf0007();
    await insertItems(sql);
    const client = postgresOf(url);
    const read = () => client.begin((transaction) => transaction`SELECT currency FROM wishlist_items`);
    expect(await runCode(client)).toBe("works");
    await read();
    await openMeasuring(url).run(dropDefault + rebuild(all, alter));
    await expect(read()).rejects.toMatchObject({ code: "0A000" });
    expect(await read()).not.toHaveLength(0);
    expect(await runCode(client)).toBe("works");
  });
});

describe("what drizzle-kit drafts", () => {
  const drafts = [
    { name: "for a new value works", old: "Other", now: ["Pick a Brick", "Other"], result: "works" },
    {
      name: "for a renamed value fails on a row with it",
      old: "Cata",
      now: ["CaDA"],
      result: "refused, 22P02",
    },
    { name: "for a removed value fails on a row with it", old: "Cata", now: [], result: "refused, 22P02" },
  ] as const;

  test.each(drafts)("$name", async ({ old, now, result }) => {
    const draft = (await draftReplacing(old, now)).join("\n");
    const { sql, tryOut } = openMeasuring(shared.url);
    expect(await tryOut(draft, async () => "works").then(([, it]) => it, refusal)).toBe(result);
    const without = `UPDATE wishlist_items SET store = 'Other' WHERE store = '${old}'; ${draft}`;
    expect(await tryOut(without, () => sql`SELECT 1`), "without such a row").toBeDefined();
  });

  test("for a new value is the page's statement", async () => {
    const [draft = ""] = await draftReplacing("Other", ["Pick a Brick", "Other"]);
    const statement = sqlOf(page, "add").replaceAll(/^--.*\n/gm, "");
    expect(draft.replaceAll(/"public"\.|"/g, "")).toBe(statement.trim());
  });
});

/** The store's values of 0007 with others in the place of one, as `drizzle-kit generate` would migrate to them. */
async function draftReplacing(old: string, now: readonly string[]): Promise<readonly string[]> {
  const before = JSON.parse(await readMigrationFile(`meta/${wishlistTag.slice(0, 4)}_snapshot.json`));
  const after = structuredClone(before);
  const values: string[] = after.enums["public.wishlist_store"].values;
  values.splice(values.indexOf(old), 1, ...now);
  return generateMigration(before, after);
}

async function insertItems(sql: Sql): Promise<void> {
  await sql`INSERT INTO wishlist_items ${sql(items.map((item) => ({ ...item, user_id: "user" })))}`;
}

/** As the page writes it; what is no error of PostgreSQL's is thrown on. */
function refusal(error: unknown): string {
  const { code, cause } = error as { code?: string; cause?: { code?: string } };
  const found = cause?.code ?? code;
  if (found === undefined || !/^[0-9A-Z]{5}$/.test(found)) throw error;
  return `refused, ${found}`;
}

/** One connection, closed with the test. */
function postgresOf(url: string): Sql {
  const client = postgres(url, { max: 1, onnotice: () => undefined });
  onTestFinished(() => client.end());
  return client;
}

/** The folder as 0007 left it, with these files behind it. */
async function writeMigrations(texts: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "enums-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await cp(migrations, folder, { recursive: true });
  const until0007 = (await readJournal()).filter(({ idx }) => idx <= Number(wishlistTag.slice(0, 4)));
  const when = until0007.at(-1)?.when ?? 0;
  const added = texts.map((_, index) => {
    const idx = until0007.length + index;
    return { idx, version: "7", when: when + 2000 * (index + 1), tag: `000${idx}_enum`, breakpoints: true };
  });
  await Promise.all(added.map(({ tag }, index) => writeFile(join(folder, `${tag}.sql`), texts[index] ?? "")));
  const file = join(folder, "meta/_journal.json");
  const journal = JSON.parse(await readFile(file, "utf8"));
  await writeFile(file, JSON.stringify({ ...journal, entries: [...until0007, ...added] }));
  return folder;
}
