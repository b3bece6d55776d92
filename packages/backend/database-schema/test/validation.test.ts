import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { createDatabase } from "../src/client.ts";
import { type NewWishlistItem, WISHLIST_CURRENCIES, WISHLIST_STORES, wishlistItems } from "../src/index.ts";
import {
  insertWishlistItemSchema,
  selectWishlistItemSchema,
  updateWishlistItemSchema,
} from "../src/validation.ts";
import { createMigratedDatabase } from "./migrations.ts";

const least = { userId: "user", title: "Rivendell", store: "LEGO" } as const;

const accepted: Readonly<Record<string, readonly unknown[]>> = {
  store: WISHLIST_STORES,
  currency: [...WISHLIST_CURRENCIES, null, undefined],
  priority: [0, 1, 5, null, undefined],
  title: ["a", " Rivendell ", "größe 🏰"],
  price: ["0", "849.99", "849.9", "007", null, undefined],
  pieceCount: [0, 6167, 2_147_483_647, null],
  sourceUrl: ["https://www.lego.com/en-us/product/10316?a=b#c", "http://localhost:9000/x", null],
  imageUrl: ["https://[::1]/x.png", null],
  tags: [[], ["castle"], null, undefined],
  sortOrder: [-1, 0, 2_147_483_647, undefined],
  releaseDate: [new Date("2023-03-08"), new Date("0100-01-01"), new Date("9999-12-31T23:59:59.999Z"), null],
  userId: ["auth0|5f7c8ec7c33c6c004bbafe82", "x".repeat(255)],
  id: ["11111111-1111-1111-1111-111111111111", undefined],
};

const refused: Readonly<Record<string, readonly unknown[]>> = {
  store: ["lego", "LEGO ", "", "Amazon", null, 1],
  currency: ["usd", "JPY", "", 1],
  priority: [-1, 6, 10, 2.5, Number.NaN, Number.POSITIVE_INFINITY, "3"],
  title: ["", " ", "\n\t\u00a0", "a\0b", "\ud83c", null],
  price: ["", "849.999", "849.", ".99", "-1", "1e3", "1,50", "$5", "5\n", "٣", " 5", 5],
  pieceCount: [-1, 1.5, 2_147_483_648, "12"],
  sourceUrl: ["", "lego.com", "ftp://lego.com", "javascript:alert(1)", "https://", "http:x", "https://a b"],
  imageUrl: ["data:image/png;base64,AA", "https://a/\0", "https://a/\udf00"],
  tags: [["a\0"], ["\ud83c"], [1], [null], "castle", {}],
  notes: ["\0", "\ud83c\ud83c"],
  sortOrder: [null, 2_147_483_648, -2_147_483_649, 0.1],
  releaseDate: [
    new Date(Number.NaN),
    new Date("0099-12-31"),
    new Date("+010000-01-01"),
    new Date("-000001-01-01"),
    "2023-03-08",
  ],
  userId: ["", null, "x".repeat(256), "\0"],
  id: ["1", "", null],
};

const cases = (table: typeof accepted) =>
  Object.entries(table).flatMap(([column, values]) => values.map((value) => ({ column, value })));

describe.each([
  ["insert", insertWishlistItemSchema, least],
  ["update", updateWishlistItemSchema, {}],
] as const)("the %s schema", (_name, schema, rest) => {
  test.each(cases(accepted))("accepts $column $value", ({ column, value }) => {
    expect(schema.safeParse({ ...rest, [column]: value }).error).toBeUndefined();
  });

  test.each(cases(refused))("refuses $column $value", ({ column, value }) => {
    const issues = schema.safeParse({ ...rest, [column]: value }).error?.issues ?? [];
    expect(issues.map((issue) => issue.path[0])).toContain(column);
  });
});

describe("what may be left out", () => {
  test.each(Object.keys(least))("an insert needs %s", (column) => {
    expect(insertWishlistItemSchema.safeParse({ ...least, [column]: undefined }).success).toBe(false);
  });

  test("an insert leaves the defaults to PostgreSQL", () => {
    expect(insertWishlistItemSchema.parse(least)).toEqual(least);
  });

  test("an update needs nothing and sets no default", () => {
    expect(updateWishlistItemSchema.parse({})).toEqual({});
    expect(updateWishlistItemSchema.parse({ title: "Rivendell" })).toEqual({ title: "Rivendell" });
  });

  test("a property that is no column is taken away", () => {
    expect(updateWishlistItemSchema.parse({ title: "Rivendell", admin: true })).toEqual({
      title: "Rivendell",
    });
  });
});

describe("the select schema", () => {
  test("reads every row PostgreSQL holds, also one written past the rules for writing", async () => {
    const { db, sql } = await connect();
    await sql`INSERT INTO wishlist_items (id, user_id, title, store, price, piece_count, source_url, priority, currency)
      VALUES ('11111111-1111-1111-1111-111111111111', '', '', 'Other', 'a lot', -1, 'shop', NULL, NULL)`;
    const [row] = await db.select().from(wishlistItems);
    expect(selectWishlistItemSchema.parse(row)).toEqual(row);
  });

  test.each([{ store: "lego" }, { currency: "JPY" }, { priority: 6 }, { title: null }, { tags: [1] }])(
    "refuses %o, which PostgreSQL cannot return",
    async (change) => {
      const { db } = await connect();
      const [row] = await db.insert(wishlistItems).values(least).returning();
      expect(selectWishlistItemSchema.safeParse({ ...row, ...change }).success).toBe(false);
    },
  );
});

/** With half surrogates and U+0000 more often than chance gives. */
const anyText = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 3 }),
      fc.constantFrom("\0", "\ud83c", "\udf00", "'", "\\"),
    ),
  )
  .map((pieces) => pieces.join(""));

/** Any string, and strings close to the ones that count. */
const nearTo = (values: readonly string[]) =>
  fc.oneof(
    fc.constantFrom(...values),
    fc.constantFrom(...values.flatMap((v) => [v.toLowerCase(), `${v} `])),
    anyText,
  );

const anyInteger = fc.oneof(fc.integer({ min: -3, max: 9 }), fc.integer(), fc.double(), fc.maxSafeInteger());
const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { freq: 10 });

/** Mostly from the first, so that a whole item has a chance to be accepted. */
const mostly = <T, U>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<U>) =>
  fc.oneof({ weight: 30, arbitrary: usual }, { weight: 1, arbitrary: odd });
const text = mostly(fc.string({ unit: "binary", minLength: 1 }), anyText);
const moment = mostly(
  fc.date({ min: new Date("0100-01-01"), max: new Date("9999-12-31"), noInvalidDate: true }),
  fc.date({ noInvalidDate: false }),
);

const anyItem = fc.record(
  {
    userId: text,
    title: text,
    store: fc.constantFrom(...WISHLIST_STORES),
    setNumber: orNull(text),
    sourceUrl: orNull(fc.webUrl({ withFragments: true, withQueryParameters: true })),
    imageUrl: orNull(text.map((path) => `https://images.example/${path}`)),
    price: orNull(
      mostly(
        fc.nat(99_999).map((cents) => String(cents / 100)),
        fc.double().map(String),
      ),
    ),
    currency: orNull(fc.constantFrom(...WISHLIST_CURRENCIES)),
    pieceCount: orNull(fc.nat()),
    releaseDate: orNull(moment),
    tags: orNull(fc.array(text, { maxLength: 3 })),
    priority: orNull(fc.integer({ min: 0, max: 5 })),
    notes: orNull(text),
    sortOrder: fc.integer(),
    createdAt: moment,
    updatedBy: orNull(text),
  },
  { requiredKeys: ["userId", "title", "store"] },
);

describe("zod and PostgreSQL", () => {
  test.each([
    ["store", orNull(nearTo(WISHLIST_STORES))],
    ["currency", orNull(nearTo(WISHLIST_CURRENCIES))],
    ["priority", orNull(anyInteger)],
    ["sortOrder", orNull(anyInteger)],
    ["pieceCount", orNull(anyInteger.filter((count) => !(count < 0)))],
  ] as const)("accept the same values of %s", async (column, values: fc.Arbitrary<unknown>) => {
    const database = await connect();
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(values, async (value) => {
        const item = { ...least, [column]: value };
        const stored = await tryInsert(database, item as NewWishlistItem);
        expect(insertWishlistItemSchema.safeParse(item).success).toBe(stored !== undefined);
        if (stored !== undefined) taken += 1;
      }),
      { numRuns: 300 },
    );
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(300);
  });

  test("what zod accepts of a whole item, PostgreSQL stores and gives back as it was", async () => {
    const database = await connect();
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(anyItem, async (item) => {
        const parsed = insertWishlistItemSchema.safeParse(item);
        if (!parsed.success) return;
        taken += 1;
        const stored = await tryInsert(database, parsed.data);
        expect(stored).toMatchObject(parsed.data);
        expect(selectWishlistItemSchema.safeParse(stored).success).toBe(true);
      }),
      { numRuns: 500 },
    );
    expect(taken).toBeGreaterThan(100);
  });

  test.each([
    ["title", anyText],
    ["notes", anyText],
    ["tags", fc.array(anyText, { maxLength: 3 })],
  ] as const)(
    "what zod refuses of %s is empty or not stored as it was given",
    async (column, values: fc.Arbitrary<unknown>) => {
      const database = await connect();
      let refusals = 0;
      await fc.assert(
        fc.asyncProperty(values, async (value) => {
          const item = { ...least, [column]: value } as NewWishlistItem;
          if (insertWishlistItemSchema.safeParse(item).success) return;
          if (typeof value === "string" && value.trim() === "") return;
          refusals += 1;
          const stored = await tryInsert(database, item);
          expect(stored?.[column]).not.toEqual(value);
        }),
        { numRuns: 200 },
      );
      expect(refusals).toBeGreaterThan(0);
    },
  );

  test("the longest subject fits into every index, also when it cannot be compressed", async () => {
    const database = await connect();
    const userId = Array.from({ length: 255 }, (_, index) =>
      String.fromCharCode(0x4e00 + ((index * 7919) % 20_000)),
    ).join("");
    const item = insertWishlistItemSchema.parse({ ...least, userId });
    expect(await tryInsert(database, item)).toMatchObject({ userId });
  });
});

type Connection = Awaited<ReturnType<typeof connect>>;

async function connect() {
  const { url } = await createMigratedDatabase();
  const database = createDatabase({ url, poolSize: 1 });
  onTestFinished(() => database.close());
  return database;
}

/** The stored row, or undefined where PostgreSQL refused it; any other failure is thrown. */
async function tryInsert({ db }: Connection, item: NewWishlistItem) {
  try {
    const [row] = await db.insert(wishlistItems).values(item).returning();
    return row;
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

/** PostgreSQL's classes 22, data it cannot take, and 23, a constraint that is broken. */
function isRefusal(error: unknown) {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && "code" in cause && /^2[23]/.test(String(cause.code));
}
