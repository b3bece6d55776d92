import { createHash } from "node:crypto";
import { migrate, rollback } from "@repo/migrator";
import { createTestDatabase } from "@repo/test-database";
import type { Sql } from "postgres";
import { describe, expect, test } from "vitest";
import { readCatalog } from "./catalog.ts";
import {
  createDatabaseOf0007,
  createMigratedDatabase,
  migrations,
  readJournal,
  readLedger,
  readMigrationFile,
  wishlistTag as tag,
} from "./migrations.ts";

/** Name, type, nullable, default: as the story WISH-2007 wants them, in this order. */
const wantedColumns = [
  ["id", "uuid", false, "gen_random_uuid()"],
  ["user_id", "text", false, null],
  ["title", "text", false, null],
  ["store", "wishlist_store", false, null],
  ["set_number", "text", true, null],
  ["source_url", "text", true, null],
  ["image_url", "text", true, null],
  ["price", "text", true, null],
  ["currency", "wishlist_currency", true, "'USD'::wishlist_currency"],
  ["piece_count", "integer", true, null],
  ["release_date", "timestamp without time zone", true, null],
  ["tags", "jsonb", true, "'[]'::jsonb"],
  ["priority", "integer", true, "0"],
  ["notes", "text", true, null],
  ["sort_order", "integer", false, "0"],
  ["created_at", "timestamp without time zone", false, "now()"],
  ["updated_at", "timestamp without time zone", false, "now()"],
  ["created_by", "text", true, null],
  ["updated_by", "text", true, null],
] as const;

describe("the files of 0007", () => {
  test("0007 exists with its journal entry, its snapshot and its down file", async () => {
    const journal = await readJournal();
    expect(journal.at(7)).toMatchObject({ idx: 7, tag });
    expect(await readMigrationFile(`${tag}.down.sql`)).toContain('DROP TABLE "wishlist_items"');
    const snapshot = JSON.parse(await readMigrationFile("meta/0007_snapshot.json"));
    const table = snapshot.tables["public.wishlist_items"];
    expect(Object.keys(table.columns)).toEqual(wantedColumns.map(([name]) => name));
  });

  test("0007 creates the table with all 19 columns in one statement", async () => {
    const statements = (await readMigrationFile(`${tag}.sql`)).split("--> statement-breakpoint");
    const create = statements.filter((statement) => statement.includes('CREATE TABLE "wishlist_items"'));
    expect(create).toHaveLength(1);
    const names = [...(create[0] ?? "").matchAll(/^\t"(\w+)" /gm)].map((match) => match[1]);
    expect(names).toEqual(wantedColumns.map(([name]) => name));
    expect(names).toHaveLength(19);
  });

  test("0007 says at its top what it is for, what it locks and how to undo it", async () => {
    const top = (await readMigrationFile(`${tag}.sql`)).split("\n\n")[0] ?? "";
    expect(top).toMatch(/^-- What for: .+^-- Locks: .+^-- Undo: .+/ms);
    expect(top.split("\n").every((line) => line.startsWith("--"))).toBe(true);
  });
});

describe("the table wishlist_items after migrating an empty database", () => {
  test("every migration applies, in the journal's order, with its file's hash in the ledger", async () => {
    const { sql, url } = await createTestDatabase();
    const { applied } = await migrate({ url, migrations });
    const journal = await readJournal();
    expect(applied.map((migration) => migration.tag)).toEqual(journal.map((entry) => entry.tag));
    const texts = await Promise.all(journal.map((entry) => readMigrationFile(`${entry.tag}.sql`)));
    const ledger = await sql`SELECT hash, created_at::float8 FROM drizzle.__drizzle_migrations ORDER BY id`;
    expect([...ledger]).toEqual(
      journal.map((entry, index) => ({ hash: sha256(texts[index] ?? ""), created_at: entry.when })),
    );
  });

  test("there are 16 tables", async () => {
    const { sql } = await createDatabaseOf0007();
    const tables = await sql`SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = 'public'`;
    expect(tables).toHaveLength(16);
  });

  test("the 19 columns have exactly their types, nullability and defaults, in order", async () => {
    const { sql } = await createDatabaseOf0007();
    expect(await readWishlistColumns(sql)).toEqual(wantedColumns);
  });

  test("the five indexes are btrees over their columns", async () => {
    const { sql } = await createDatabaseOf0007();
    const { indexes } = await readCatalog(sql);
    const on = "ON public.wishlist_items USING btree";
    expect(
      indexes.filter((index) => index.table === "wishlist_items").map((index) => index.definition),
    ).toEqual([
      `CREATE INDEX idx_wishlist_user_id ${on} (user_id)`,
      `CREATE INDEX idx_wishlist_user_priority ${on} (user_id, priority)`,
      `CREATE INDEX idx_wishlist_user_sort ${on} (user_id, sort_order)`,
      `CREATE INDEX idx_wishlist_user_store ${on} (user_id, store)`,
      `CREATE INDEX idx_wishlist_user_store_priority ${on} (user_id, store, priority)`,
      `CREATE UNIQUE INDEX wishlist_items_pkey ${on} (id)`,
    ]);
  });

  test("both enums have their values in order, and there is no other enum", async () => {
    const { sql } = await createDatabaseOf0007();
    expect((await readCatalog(sql)).enums).toEqual([
      { name: "public.wishlist_currency", values: ["USD", "EUR", "GBP", "CAD", "AUD"] },
      { name: "public.wishlist_store", values: ["LEGO", "Barweer", "Cata", "BrickLink", "Other"] },
    ]);
  });

  test("the check on priority and the primary key are its only constraints", async () => {
    const { sql } = await createDatabaseOf0007();
    const { constraints } = await readCatalog(sql);
    // From PostgreSQL 18 on, NOT NULL is a constraint too (kind n); the columns' test covers it.
    const named = constraints.filter(({ table, kind }) => table === "wishlist_items" && kind !== "n");
    expect(named.map(({ name, definition }) => [name, definition])).toEqual([
      ["priority_range_check", "CHECK (((priority >= 0) AND (priority <= 5)))"],
      ["wishlist_items_pkey", "PRIMARY KEY (id)"],
    ]);
  });
});

describe("what wishlist_items takes", () => {
  test("priority 10 and -1 are refused by the check", async () => {
    const { sql } = await createDatabaseOf0007();
    for (const priority of [10, 6, -1]) {
      await expect(insertItem(sql, { priority })).rejects.toMatchObject({
        code: "23514",
        constraint_name: "priority_range_check",
      });
    }
  });

  test("priority 0, 5 and NULL are accepted", async () => {
    const { sql } = await createDatabaseOf0007();
    for (const priority of [0, 5, null]) {
      expect(await insertItem(sql, { priority })).toMatchObject({ priority });
    }
  });

  test("an unknown store is refused", async () => {
    const { sql } = await createDatabaseOf0007();
    await expect(insertItem(sql, { store: "lego" })).rejects.toMatchObject({ code: "22P02" });
  });

  test("a row with nothing but owner, title and store gets the defaults", async () => {
    const { sql } = await createDatabaseOf0007();
    const row = await insertItem(sql, {});
    expect(row).toMatchObject({ currency: "USD", tags: [], priority: 0, sort_order: 0, notes: null });
    expect(row?.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(row?.created_at).toEqual(row?.updated_at);
  });
});

describe("running 0007 twice, back and again", () => {
  test("a second migrate changes nothing, neither catalog nor ledger", async () => {
    const { sql, url } = await createMigratedDatabase();
    const before = { catalog: await readCatalog(sql), ledger: await readLedger(sql) };
    expect((await migrate({ url, migrations })).applied).toEqual([]);
    expect({ catalog: await readCatalog(sql), ledger: await readLedger(sql) }).toEqual(before);
  });

  test("rolling 0007 back leaves exactly the catalog of 0006 and no ledger row of it", async () => {
    const reference = await createTestDatabase();
    await migrate({ url: reference.url, migrations, to: "0006_sets" });
    const { sql, url } = await createDatabaseOf0007();
    const hash = sha256(await readMigrationFile(`${tag}.sql`));
    const rowsOf0007 = () => sql`SELECT id FROM drizzle.__drizzle_migrations WHERE hash = ${hash}`;
    expect(await rowsOf0007()).toHaveLength(1);

    await rollback({ url, migrations });

    expect(await readCatalog(sql)).toEqual(await readCatalog(reference.sql));
    expect(await rowsOf0007()).toHaveLength(0);
    expect(await readLedger(sql)).toEqual(await readLedger(reference.sql));
  });

  test("migrating after a rollback gives the same catalog again", async () => {
    const { sql, url } = await createDatabaseOf0007();
    const before = await readCatalog(sql);
    await rollback({ url, migrations });
    const { applied } = await migrate({ url, migrations, to: tag });
    expect(applied.map((migration) => migration.tag)).toEqual([tag]);
    expect(await readCatalog(sql)).toEqual(before);
  });
});

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

async function readWishlistColumns(sql: Sql) {
  const rows = await sql`
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, NOT a.attnotnull AS nullable,
      pg_get_expr(d.adbin, d.adrelid) AS default
    FROM pg_catalog.pg_attribute a
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = 'public.wishlist_items'::regclass AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum`;
  return rows.map((row) => [row.name, row.type, row.nullable, row.default]);
}

async function insertItem(sql: Sql, values: Readonly<Record<string, string | number | null>>) {
  const item = { user_id: "user", title: "Rivendell", store: "LEGO", ...values };
  const rows = await sql`INSERT INTO wishlist_items ${sql(item)} RETURNING *`;
  return rows[0];
}
