import { readdirSync } from "node:fs";
import type { TestDatabase } from "@repo/test-database";
import postgres, { type Sql } from "postgres";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Catalog, readCatalog } from "./catalog.ts";
import { openMeasuring, pidOf, untilWaiting } from "./measure.ts";
import { createMigratedDatabase, migrations } from "./migrations.ts";
import { deadLinksOf, readPage, type SqlBlock, sqlOf, type TableRow, tableOf } from "./pages.ts";
import { runCode } from "./running-code.ts";

const page = readPage("schema-evolution.md");
const changes = tableOf(page, "change");

test("every link of the page leads to a file and a heading that are there", () => {
  expect(deadLinksOf("schema-evolution.md")).toEqual([]);
});

/** For what is taken back, or changes nothing. */
let shared: TestDatabase;

beforeAll(async () => {
  shared = await createMigratedDatabase();
  await insertItems(shared.sql, 10);
});

describe("each change in the table has the lock, the reading of rows and the effect on running code it says", () => {
  test.each(changes)("$change", async (row) => {
    const [effect, code] = await tryChange(row.statement ?? "");
    expect({ lock: effect.locks, rows: effect.rows, code }).toEqual({
      lock: row.lock,
      rows: row.rows,
      code: row["code N-1"]?.replace(/,.*/, ""),
    });
  });

  test("and the code works before any of them", async () => {
    expect((await tryChange("SELECT 1"))[1]).toBe("works");
  });
});

/** What cannot be taken back happens in a database of its own. */
async function tryChange(statement: string) {
  if (/\bCONCURRENTLY\b/.test(statement)) {
    const { url } = await createMigratedDatabase();
    const { sql, run } = openMeasuring(url);
    return [await run(statement), await runCode(sql)] as const;
  }
  const { sql, tryOut } = openMeasuring(shared.url);
  await sql.unsafe(sqlOf(page, "fill"));
  return tryOut(statement, () => runCode(sql));
}

describe("the review classes", () => {
  const classes = ["low", "medium", "high"];

  test("are three, each explained and each given to a change", () => {
    expect(tableOf(page, "class").map((row) => row.class)).toEqual(classes);
    expect([...new Set(changes.map((row) => row.class))]).toEqual(classes);
  });

  test("put every change high that breaks the code before it or rewrites a table", () => {
    const isGrave = (row: TableRow) => row.rows === "rewritten" || row["code N-1"]?.startsWith("breaks");
    const grave = changes.filter(isGrave);
    expect(grave.length).toBeGreaterThan(3);
    expect(grave.filter((row) => row.class !== "high")).toEqual([]);
  });
});

test("a required column without a default cannot be added to a table with rows", async () => {
  const adding = shared.sql`ALTER TABLE wishlist_items ADD COLUMN shelf text NOT NULL`;
  await expect(adding).rejects.toMatchObject({ code: "23502" });
});

describe("who waits for a lock", () => {
  test.each(tableOf(page, "lock"))("$lock: reads $reads, writes $writes", async ({ lock, reads, writes }) => {
    const others = openImpatient(shared.url);
    const seen = await shared.sql.begin(async (transaction) => {
      await transaction.unsafe(`LOCK TABLE wishlist_items IN ${lock} MODE`);
      return {
        reads: await waits(others`SELECT count(*) FROM wishlist_items`),
        writes: await waits(others`UPDATE wishlist_items SET notes = ''`),
      };
    });
    expect(seen).toEqual({ reads, writes });
  });

  test("a statement that waits for ACCESS EXCLUSIVE makes later reads wait, as no other reader does", async () => {
    const { sql, url } = await createMigratedDatabase();
    const { sql: altering } = openMeasuring(url);
    const pid = await pidOf(altering);
    const others = openImpatient(url);
    let adding: Promise<unknown> = Promise.resolve();
    const seen = await sql.begin(async (reader) => {
      await reader`SELECT count(*) FROM wishlist_items`;
      const before = await waits(others`SELECT count(*) FROM wishlist_items`);
      adding = altering.unsafe("ALTER TABLE wishlist_items ADD COLUMN colour text");
      adding.catch(() => undefined);
      await untilWaiting(reader, pid);
      return { before, after: await waits(others`SELECT count(*) FROM wishlist_items`) };
    });
    await adding;
    expect(seen).toEqual({ before: "go on", after: "wait" });
  });
});

test("the page's SQL runs in its order, each block with the locks and the reading of rows it says", async () => {
  const { sql, url } = await createMigratedDatabase();
  await insertItems(sql);
  const { run } = openMeasuring(url);
  for (const block of page.blocks) {
    const effect = await run(block.sql);
    if (changesSchema(block)) expect(effect, block.name).toEqual(block.claim);
    await (afterBlock[block.name] ?? nothing)(sql);
  }
  expect(Object.keys(afterBlock).filter((name) => !page.blocks.some((block) => block.name === name))).toEqual(
    [],
  );
});

/** A block that changes the schema must say what it does; moving rows needs no such line. */
const changesSchema = ({ sql, claim }: SqlBlock) =>
  claim !== undefined || /^(?:ALTER|CREATE|DROP)\b/m.test(sql);

const nothing = async () => undefined;

/** What must hold after a block, beyond what it says itself. */
const afterBlock: Readonly<Record<string, (sql: Sql) => Promise<unknown>>> = {
  backfill: async (sql) => {
    // 2,501 prices are amounts: the page's run was the first of three that change rows.
    const changed = [];
    for (let attempt = 0; attempt < 3; attempt += 1) {
      changed.push((await sql.unsafe(sqlOf(page, "backfill"))).count);
    }
    expect(changed).toEqual([1000, 501, 0]);
    const wrong = await sql`SELECT id FROM wishlist_items WHERE price_amount::text <> price`;
    expect(wrong).toHaveLength(0);
  },
  "left over: decide about each of these rows before you go on": async (sql) => {
    const left = sqlOf(page, "left over: decide about each of these rows before you go on");
    expect((await sql.unsafe(left)).map(({ price }) => price)).toEqual(["ask the shop"]);
    await sql`UPDATE wishlist_items SET notes = price, price = NULL WHERE price = 'ask the shop'`;
    expect(await sql.unsafe(left)).toHaveLength(0);
  },
  "rule for what is written from now on": async (sql) => {
    const writing = sql`UPDATE wishlist_items SET price_amount = -1`;
    await expect(writing).rejects.toMatchObject({ code: "23514" });
  },
  contract: async (sql) => {
    const [sum] = await sql`SELECT sum(price_amount) AS sum, count(*)::int AS rows FROM wishlist_items`;
    expect(sum).toEqual({ sum: "1250849.99", rows: 2503 });
  },
  "not null, in the column": async (sql) => {
    const { columns, constraints } = await readCatalog(sql);
    expect(columns.find(({ column }) => column === "currency")?.nullable).toBe(false);
    expect(constraints.map(({ name }) => name)).not.toContain("wishlist_items_currency_check");
  },
  "foreign key, for what is written from now on": async (sql) => {
    const writing = sql`UPDATE wishlist_items SET set_id = gen_random_uuid()`;
    await expect(writing).rejects.toMatchObject({ code: "23503" });
  },
  "foreign key, checked": async (sql) => {
    expect((await readCatalog(sql)).constraints.filter(({ validated }) => !validated)).toEqual([]);
  },
  "unique: the constraint": async (sql) => {
    const { constraints } = await readCatalog(sql);
    expect(constraints).toContainEqual(
      expect.objectContaining({ name: "wishlist_items_user_url_unique", kind: "u" }),
    );
  },
};

test("a rule that is added and checked in one migration reads all rows under ACCESS EXCLUSIVE", async () => {
  const names = ["expand", "rule for what is written from now on", "checked for the rows that are there"];
  const { tryOut } = openMeasuring(shared.url);
  const [effect] = await tryOut(names.map((name) => sqlOf(page, name)).join("\n"), async () => undefined);
  expect(effect).toEqual({ locks: "ACCESS EXCLUSIVE", rows: "read" });
});

test("a foreign key that is added at once reads all rows while neither table can be written", async () => {
  const { sql, url } = await createMigratedDatabase();
  await insertItems(sql, 10);
  const { run } = openMeasuring(url);
  await run(sqlOf(page, "foreign key: a column for it"));
  const adding = sqlOf(page, "foreign key, for what is written from now on").replace(" NOT VALID", "");
  expect(await run(adding)).toEqual({
    locks: "SHARE ROW EXCLUSIVE, SHARE ROW EXCLUSIVE on wishlist_items",
    rows: "read",
  });
});

test("a unique index cannot be built on rows that are equal, and stays behind INVALID", async () => {
  const { sql } = await createMigratedDatabase();
  const item = { user_id: "u", title: "t", store: "LEGO", source_url: "https://example.org" };
  await sql`INSERT INTO wishlist_items ${sql([item, item])}`;
  const building = sql.unsafe(sqlOf(page, "unique: the index"));
  await expect(building).rejects.toMatchObject({ code: "23505" });
  const { indexes } = await readCatalog(sql);
  expect(indexes.filter(({ valid }) => !valid).map(({ name }) => name)).toEqual([
    "public.wishlist_items_user_url_unique",
  ]);
});

describe("the schema's own names", () => {
  const names = tableOf(page, "object");
  let objects: Readonly<Record<string, readonly string[]>> = {};
  let catalog: Catalog;

  beforeAll(async () => {
    catalog = await readCatalog(shared.sql);
    objects = objectsOf(catalog);
  });

  test.each(names)(
    "$object: all follow $pattern, and the example is one of them",
    ({ object = "", pattern = "", example }) => {
      const all = objects[object] ?? [];
      expect(all.map((name) => name.replace(/^.*:/, ""))).toContain(example);
      expect(all.filter((name) => !follows(name, pattern) && !isException(name))).toEqual([]);
    },
  );

  test("0007 has the exceptions that the page names", () => {
    const all = Object.values(objects).flat();
    expect(all.filter((name) => isException(name)).length).toBeGreaterThanOrEqual(6);
  });

  test("columns that refer to another table end with _id", () => {
    const foreign = catalog.constraints.filter(({ kind }) => kind === "f");
    expect(foreign.length).toBeGreaterThan(10);
    expect(foreign.filter(({ definition }) => !/^FOREIGN KEY \(\w+_id\)/.test(definition))).toEqual([]);
  });

  const isException = (name: string) => /:(?:priority_range_check|idx_wishlist_user_\w+)$/.test(name);
});

/** Each as `table:name`, so that a pattern with `<table>` can be held against it. */
function objectsOf(catalog: Catalog): Readonly<Record<string, readonly string[]>> {
  const bare = (name: string) => name.replace(/^public\./, "");
  const constraints = (kind: string) =>
    catalog.constraints.filter((one) => one.kind === kind).map(({ table, name }) => `${table}:${name}`);
  const ofConstraints = new Set(catalog.constraints.map(({ name }) => name));
  return {
    table: [...new Set(catalog.columns.map(({ table }) => bare(table)))],
    column: catalog.columns.map(({ column }) => column),
    enum: catalog.enums.map(({ name }) => bare(name)),
    "primary key": constraints("p"),
    unique: constraints("u"),
    check: constraints("c"),
    "foreign key": constraints("f"),
    index: catalog.indexes
      .filter(({ name }) => !ofConstraints.has(bare(name)))
      .map(({ table, name }) => `${table}:${bare(name)}`),
    migration: readdirSync(migrations)
      .filter((name) => /(?<!\.down)\.sql$/.test(name))
      .map((name) => name.replace(/\.sql$/, "")),
  };
}

function follows(object: string, pattern: string): boolean {
  const [table = "", name = table] = object.split(":");
  const expression = pattern
    .replace("<table>", table)
    .replace("<things>", "[a-z0-9_]+s")
    .replace("<number>", "\\d{4}")
    .replaceAll(/<[^>]+>/g, "[a-z0-9_]+");
  return new RegExp(`^${expression}$`).test(name) && name.length <= 63;
}

/** So many prices that are amounts and one more, one that is none and one row without. */
async function insertItems(sql: Sql, count = 2500): Promise<void> {
  await sql`
    INSERT INTO wishlist_items (user_id, title, store, price, source_url)
    SELECT 'user', 'Set ' || n, 'LEGO', '500.00', 'https://example.org/' || n FROM generate_series(1, ${count}::int) n`;
  const item = { user_id: "user", title: "Rivendell", store: "BrickLink" };
  const prices = [{ price: "849.99" }, { price: "ask the shop" }, { price: null }];
  await sql`INSERT INTO wishlist_items ${sql(prices.map((price) => ({ ...item, ...price, currency: null })))}`;
}

/** A client that gives up waiting for a lock after 20 ms. */
function openImpatient(url: string): Sql {
  const client = postgres(url, { max: 1, onnotice: () => undefined, connection: { lock_timeout: 20 } });
  onTestFinished(() => client.end());
  return client;
}

async function waits(query: PromiseLike<unknown>): Promise<"wait" | "go on"> {
  try {
    await query;
    return "go on";
  } catch (error) {
    if ((error as { code?: string }).code === "55P03") return "wait";
    throw error;
  }
}
