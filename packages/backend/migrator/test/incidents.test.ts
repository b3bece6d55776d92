import { describe, expect, test } from "vitest";
import { codeOf } from "../src/database/failures.ts";
import { type Event, migrate, type SettingsInput } from "../src/index.ts";
import type { Hazard } from "../src/review/hazards/hazard.ts";
import type { Finding } from "../src/review/preflight.ts";
import type { StatementReview } from "../src/review/reviewed.ts";
import { writeDuringBuild } from "./support/builds.ts";
import { failureOf, readLedgerRows } from "./support/database.ts";
import { type Form, readIncident, readRows, type Scene, setScene } from "./support/incidents.ts";
import { openOther, readValidity, until, untilBlocked, untilWaitsFor } from "./support/sessions.ts";
import { titled } from "./support/titled.ts";

/** What a plan says of one of its statements. */
interface Announced {
  readonly statement: number;
  readonly preflight?: Partial<Finding>;
  readonly hazard?: Partial<Hazard>;
}

/** Migrations that have hurt somebody: each has a folder of its own with what was there, what was run and what it should have been. */
interface Incident {
  readonly title: string;
  readonly folder: string;
  readonly announced: readonly Announced[];
  /** The plan of the one that went wrong, where not 1. */
  readonly exitCode?: number;
  /** Runs what is pending all the same, and sees it happen. */
  readonly happens: (scene: Scene) => Promise<void>;
  /** What the fixed form leaves. */
  readonly fixed: (scene: Scene) => Promise<void>;
}

const INCIDENTS: readonly Incident[] = [
  {
    title: "a text column becomes an enum that lacks a value in use",
    folder: "enum-without-a-value",
    announced: [
      {
        statement: 2,
        preflight: {
          check: "type",
          object: "wishlist_items.store",
          outcome: "fails",
          message: "2 rows have store = 'Amazon', which is no label of wishlist_store",
          count: 2,
          examples: ["id = 2", "id = 5"],
        },
      },
    ],
    happens: isRefused("22P02", "statement 2 of 2"),
    fixed: leaves("select store, count(*)::int from wishlist_items where store = 'Amazon' group by 1", [
      { store: "Amazon", count: 2 },
    ]),
  },
  {
    title: "a table with rows gets a NOT NULL column without default",
    folder: "required-column-on-filled-table",
    announced: [
      {
        statement: 1,
        preflight: {
          check: "not-null",
          object: "moc_instructions.visibility",
          outcome: "fails",
          message: "3 rows would have no visibility, which is NOT NULL and has no default",
          count: 3,
        },
        hazard: { id: "required-column", severity: "high" },
      },
    ],
    happens: isRefused("23502", "statement 1 of 1"),
    fixed: leaves("select visibility, count(*)::int from moc_instructions group by 1", [
      { visibility: "private", count: 3 },
    ]),
  },
  {
    title: "a unique index is built over duplicates",
    folder: "unique-index-over-duplicates",
    announced: [
      {
        statement: 1,
        preflight: {
          check: "unique",
          outcome: "fails",
          message: "2 keys (user_id, set_number) are there more than once",
          examples: [
            "user_id = 'otto', set_number = '31141-1' in 3 rows",
            "user_id = 'ada', set_number = '10316-1' in 2 rows",
          ],
          count: 2,
        },
      },
    ],
    happens: isRefused("23505", "statement 1 of 1"),
    fixed: leaves("select user_id, set_number, quantity from sets order by 1, 2", [
      { user_id: "ada", set_number: "10305-1", quantity: 1 },
      { user_id: "ada", set_number: "10316-1", quantity: 3 },
      { user_id: "otto", set_number: "10316-1", quantity: 1 },
      { user_id: "otto", set_number: "31141-1", quantity: 5 },
    ]),
  },
  {
    title: "a foreign key is added over orphans",
    folder: "foreign-key-over-orphans",
    announced: [
      {
        statement: 1,
        preflight: {
          check: "foreign-key",
          outcome: "fails",
          message: "3 of 6 rows have no match in sets for set_id (set_images_set_id_sets_id_fk)",
          count: 3,
          examples: ["id = 4", "id = 5", "id = 6"],
        },
      },
    ],
    happens: isRefused("23503", "statement 1 of 1"),
    fixed: leaves("select image_url from set_images order by id", [
      { image_url: "rivendell-front.jpg" },
      { image_url: "rivendell-back.jpg" },
      { image_url: "grocer.jpg" },
    ]),
  },
  {
    title: "old rows break a CHECK",
    folder: "check-broken-by-old-rows",
    announced: [
      {
        statement: 1,
        preflight: {
          check: "check",
          outcome: "fails",
          message: "2 of 5 rows do not satisfy priority_range_check",
          count: 2,
          examples: ["id = 2", "id = 5"],
        },
      },
    ],
    happens: isRefused("23514", "statement 1 of 1"),
    fixed: leaves("select id, priority from wishlist_items where id in (2, 5) order by id", [
      { id: 2, priority: 5 },
      { id: 5, priority: 0 },
    ]),
  },
  {
    title: "an integer column becomes too small for its values",
    folder: "integer-too-small",
    announced: [
      { statement: 1, preflight: { check: "type", outcome: "passes", count: 0 } },
      {
        statement: 2,
        preflight: {
          check: "type",
          object: "sets.price_cents",
          outcome: "fails",
          message:
            "1 row has price_cents = '2199900000', 1 row has price_cents = '9000000000', which do not convert to integer",
          count: 2,
          examples: ["id = 3", "id = 4"],
        },
      },
    ],
    happens: isRefused("22003", "statement 2 of 2"),
    fixed: leaves("select minifigs, pg_typeof(minifigs)::text as type from sets where id = 4", [
      { minifigs: 812, type: "smallint" },
    ]),
  },
  {
    title: "a column is dropped that still holds data",
    folder: "dropped-column-with-data",
    announced: [
      {
        statement: 2,
        preflight: {
          check: "drop-column",
          object: "moc_instructions.pdf_url",
          outcome: "loses",
          message: "2 of 3 rows lose their pdf_url",
          count: 2,
          examples: ["id = 1", "id = 3"],
        },
        hazard: { id: "dropped-column", severity: "high" },
      },
    ],
    happens: async ({ sql, settings }) => {
      await migrate(settings);
      // Nowhere is a trace of the two.
      expect(JSON.stringify(await readRows(sql))).not.toContain(".pdf");
    },
    fixed: leaves("select moc_id, storage_key from moc_files order by id", [
      { moc_id: 1, storage_key: "mocs/1/lighthouse.pdf" },
      { moc_id: 3, storage_key: "mocs/3/tram.pdf" },
    ]),
  },
  {
    title: "a default is lost between the snapshot and the SQL: running code's INSERT fails",
    folder: "lost-default",
    announced: [
      {
        statement: 1,
        hazard: {
          id: "dropped-default",
          severity: "high",
          message: "moc_instructions.status loses its default 'draft'::public.moc_status",
        },
      },
    ],
    happens: async ({ sql, settings }) => {
      await migrate(settings);
      const insert = sql`insert into moc_instructions (title) values ('Tiny Tram')`;
      await expect(insert).rejects.toMatchObject({ code: "23502", column_name: "status" });
    },
    fixed: leaves("insert into moc_instructions (title) values ('Tiny Tram') returning status", [
      { status: "draft" },
    ]),
  },
  {
    title: "a default is lost with the column that is made anew: running code's INSERT writes NULL",
    folder: "recreated-column-without-default",
    announced: [{ statement: 3, hazard: { id: "dropped-default", severity: "medium" } }],
    exitCode: 0,
    happens: leaves("insert into wishlist_items (title) values ('Tiny Tram') returning currency", [
      { currency: null },
    ]),
    fixed: leaves("insert into wishlist_items (title) values ('Tiny Tram') returning currency", [
      { currency: "USD" },
    ]),
  },
];

/** Migrates, and PostgreSQL refuses the statement: rows and ledger are as they were. */
function isRefused(code: string, statement: string): Incident["happens"] {
  return async ({ sql, settings }) => {
    const before = await readRows(sql);
    const error = await failureOf(migrate(settings));
    expect(codeOf(error.cause)).toBe(code);
    expect(error.message).toContain(`0001_pending.sql, ${statement}, `);
    expect(await readRows(sql)).toEqual(before);
    expect(await readLedgerRows(sql)).toHaveLength(1);
  };
}

/** Migrates, and a query then gives this. */
function leaves(query: string, rows: readonly Readonly<Record<string, unknown>>[]): Incident["happens"] {
  return async ({ sql, settings }) => {
    await migrate(settings);
    expect(await sql.unsafe(query)).toEqual(rows);
  };
}

/** Plans, by library and command line, and sees that each thing is said of its statement, in both. */
async function expectAnnounced(scene: Scene, announced: readonly Announced[], exitCode: number) {
  const { migrations } = await scene.plan();
  const statements = migrations.flatMap((migration) => migration.statements);
  const result = await scene.cli("plan");
  for (const { statement, preflight, hazard } of announced) {
    const said = statements[statement - 1];
    if (preflight) expect(said?.preflight).toContainEqual(expect.objectContaining(preflight));
    if (hazard) expect(said?.hazards).toContainEqual(expect.objectContaining(hazard));
    for (const words of [preflight?.message ?? "", hazard?.message ?? hazard?.id ?? ""])
      expect(result.stdout).toContain(words);
  }
  expect(result.exitCode).toBe(exitCode);
  return statements;
}

describe("what the plan announces happens, and its fixed form passes and runs:", () => {
  test.each(titled(INCIDENTS))("%s", async (_, { folder, announced, exitCode = 1, happens, fixed }) => {
    const pending = await setScene(folder, "pending");
    await expectAnnounced(pending, announced, exitCode);
    await happens(pending);
    const mended = await setScene(folder, "fixed");
    expect(await mended.cli("plan")).toMatchObject({ exitCode: 0 });
    await fixed(mended);
  });
});

/** The SQL that a plan gives instead of its first hazard. */
function saferOf(statement: StatementReview | undefined): string | undefined {
  return statement?.hazards[0]?.safer;
}

describe("an index that is built on a large table under writes", () => {
  const folder = "index-under-writes";
  const WRITE = "insert into sets (user_id, title, set_number) values ('ada', 'Tiny Tram', '40000-1')";

  test("without CONCURRENTLY is announced, and each writer waits as long as the build takes", async () => {
    const scene = await setScene(folder, "pending");
    const announced = { id: "index-without-concurrently", severity: "high" } as const;
    const [statement] = await expectAnnounced(scene, [{ statement: 1, hazard: announced }], 1);
    expect(statement?.locks).toMatchObject([
      { object: "public.sets", mode: "SHARE", blocks: "writes", scans: true, rows: 200_000 },
    ]);
    expect(saferOf(statement)).toBe(readIncident(folder, "fixed").trim());
    const { buildMs, waitedAtOnce, writers } = await writeDuringBuild(scene, WRITE);
    expect(waitedAtOnce).toBe(writers.length);
    for (const { inside, longestMs } of writers) {
      expect(inside).toBe(0);
      expect(longestMs).toBeGreaterThan(buildMs / 2);
    }
  });

  test("in the announced safer form passes, and no writer ever waits for it", async () => {
    const scene = await setScene(folder, "fixed");
    expect(await scene.cli("plan")).toMatchObject({ exitCode: 0 });
    const { waitedAtOnce, writers } = await writeDuringBuild(scene, WRITE);
    expect(waitedAtOnce).toBe(0);
    for (const { inside } of writers) expect(inside).toBeGreaterThan(0);
    expect(await readValidity(scene.sql, "sets")).toEqual({ idx_sets_user_title: true, sets_pkey: true });
  });
});

/** So long that what the test waits for always comes first. */
const PATIENT = { lockTimeout: "5min" } as const;

/** Migrates beside the test, and keeps what it tells. */
function start({ settings }: Scene, limits: SettingsInput["limits"] = PATIENT) {
  const events: Event[] = [];
  const run = migrate({ ...settings, limits, on: (event) => events.push(event) });
  // A failure is told where the run is waited for.
  run.catch(() => undefined);
  const reasons = () => events.flatMap((event) => (event.type === "retrying" ? [event.reason] : []));
  return { run, reasons };
}

describe("an ALTER that waits behind a long reader", () => {
  /** A scene in which a report has been reading for hours. */
  async function readScene(form: Form) {
    const scene = await setScene("alter-behind-a-long-reader", form);
    const reader = await openOther(scene.url, "nightly report");
    await reader.run("begin; select count(*) from sets");
    const page = await openOther(scene.url, "shop page");
    return { ...scene, reader, page };
  }

  test("is announced with the reader's name, and a later plain SELECT waits behind it", async () => {
    const { reader, page, ...scene } = await readScene("pending");
    const { migrations } = await scene.plan();
    const session = expect.stringContaining(`pid ${reader.pid} (nightly report, `);
    expect(migrations[0]?.statements[0]?.locks).toMatchObject([
      { object: "public.sets", mode: "ACCESS EXCLUSIVE", inTheWay: [session] },
    ]);
    expect((await scene.cli("plan")).stdout).toContain(`in its way: pid ${reader.pid} (nightly report, `);

    const { run } = start(scene);
    const runner = await untilBlocked(scene.sql);
    await untilWaitsFor(scene.sql, runner, reader);
    const answer = page.run("select retired from sets");
    await untilWaitsFor(scene.sql, page, runner);
    await reader.run("commit");
    await run;
    expect(await answer).toHaveLength(3);
  });

  test("with a short lock_timeout goes out of the way of the SELECT, and is applied once the reader is gone", async () => {
    const { reader, page, ...scene } = await readScene("fixed");
    expect(await scene.cli("plan")).toMatchObject({ exitCode: 0 });
    const { run, reasons } = start(scene);
    await untilBlocked(scene.sql);
    expect(await page.run("select title from sets")).toHaveLength(3);
    await until("another try", async () => reasons().length > 0);
    await reader.run("commit");
    await run;
    expect(reasons()).toContain("canceling statement due to lock timeout");
    expect(await page.run("select title from sets where not retired")).toHaveLength(3);
  });
});

describe("a migration that locks two tables in an order which a live transaction does not keep", () => {
  /** A purchase is under way: it has written a wish, and will ask for its set. An import keeps the table between them. */
  async function buyScene(form: Form) {
    const scene = await setScene("deadlock-with-a-live-transaction", form);
    const shop = await openOther(scene.url, "shop");
    // The one who looks first is the victim: the shop never looks.
    await shop.run("set deadlock_timeout = '10min'; begin; update wishlist_items set notes = 'bought'");
    const price = await openOther(scene.url, "price import");
    await price.run("begin; select name from brands");
    return { ...scene, shop, price };
  }

  const WISH = "insert into wishlist_items (set_id, notes) values (2, 'next')";

  const ALTERED = [{ table_name: "brands" }, { table_name: "sets" }, { table_name: "wishlist_items" }];

  async function readAltered({ sql }: Scene) {
    return sql`select table_name from information_schema.columns where column_name = 'archived_at' order by 1`;
  }

  test("is announced with the foreign key and the session; PostgreSQL ends it with 40P01, and it is tried again", async () => {
    const { shop, price, ...scene } = await buyScene("pending");
    const message =
      "wishlist_items is locked after sets (statement 1, line 1); whoever writes to wishlist_items locks them the other way round, for the foreign key wishlist_items_set_id_sets_id_fk";
    const hazard = { id: "lock-order", severity: "medium", message } as const;
    const statements = await expectAnnounced(scene, [{ statement: 3, hazard }], 0);
    expect((await scene.cli("plan", "--fail-on", "medium")).exitCode).toBe(1);
    const wish = statements[2]?.locks.find(({ object }) => object === "public.wishlist_items");
    expect(wish?.inTheWay).toEqual([expect.stringContaining(`pid ${shop.pid} (shop, `)]);

    const { run, reasons } = start(scene);
    const runner = await untilBlocked(scene.sql);
    await untilWaitsFor(scene.sql, runner, price);
    const written = shop.run(WISH);
    await untilWaitsFor(scene.sql, shop, runner);
    // Now the migration gets the table between, and asks for the one that the shop has.
    await price.run("commit");
    await written;
    await shop.run("commit");
    await run;
    expect(reasons()).toContain("deadlock detected");
    expect(await readAltered(scene)).toEqual(ALTERED);
  });

  test("table by table passes, and the live transaction goes through", async () => {
    const { shop, price, ...scene } = await buyScene("fixed");
    expect(await scene.cli("plan", "--fail-on", "medium")).toMatchObject({ exitCode: 0 });
    const { run, reasons } = start(scene);
    await untilWaitsFor(scene.sql, await untilBlocked(scene.sql), price);
    await shop.run(WISH);
    await price.run("commit");
    await untilWaitsFor(scene.sql, await untilBlocked(scene.sql), shop);
    await shop.run("commit");
    await run;
    expect(reasons()).toEqual([]);
    expect(await readAltered(scene)).toEqual(ALTERED);
  });
});
