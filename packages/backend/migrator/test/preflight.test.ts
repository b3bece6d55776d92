import { createTestDatabase, createTestRole } from "@repo/test-database";
import { describe, expect, inject, test } from "vitest";
import { readSettings } from "../src/config.ts";
import { withUrl } from "../src/database/connect.ts";
import { withScratch } from "../src/database/scratch.ts";
import { readFolder } from "../src/folder/read.ts";
import { migrate } from "../src/index.ts";
import { observe } from "../src/review/observe.ts";
import { type Finding, type PreflightOptions, preflight } from "../src/review/preflight.ts";
import { failureOf, readCatalog } from "./support/database.ts";
import { BREAKPOINT, makeFolder } from "./support/folder.ts";
import { titled } from "./support/titled.ts";

type Sql = Awaited<ReturnType<typeof createTestDatabase>>["sql"];

const MAJOR = Math.floor(inject("testDatabase").versionNumber / 10_000);

/** A database at its applied state, with rows, and a folder that has more. */
interface Place {
  readonly folder: string;
  readonly url: string;
  readonly sql: Sql;
  readonly database: Awaited<ReturnType<typeof createTestDatabase>>;
  readonly applied: number;
}

/** What stands between two breakpoints is one statement; a list is one file after the other. */
interface Story {
  readonly base: readonly string[];
  readonly data?: string;
  readonly pending: readonly (readonly string[])[];
}

async function placeOf({ base, data = "", pending }: Story): Promise<Place> {
  const files = [base, ...pending].map((statements, index) => ({
    tag: `000${index}_step`,
    sql: statements.map((one) => `${one};`).join(BREAKPOINT),
  }));
  const database = await createTestDatabase();
  const { url, sql } = database;
  await migrate({ migrations: await makeFolder(files.slice(0, 1)), url });
  if (data !== "") await sql.unsafe(data);
  return { folder: await makeFolder(files), url, sql, database, applied: 1 };
}

type Found = Finding & { readonly statement: string };

async function look(
  place: Place,
  options: Partial<PreflightOptions> = {},
  url = place.url,
): Promise<readonly Found[]> {
  const settings = await readSettings({ migrations: place.folder, url: place.url });
  const { migrations } = await readFolder(settings.migrations);
  const plan = {
    applied: migrations.slice(0, place.applied),
    planned: migrations
      .slice(place.applied)
      .map((migration) => ({ migration, script: migration.up as NonNullable<typeof migration.up> })),
  };
  return withScratch(settings.scratch, place.url, (scratch) =>
    observe(settings, scratch, plan, new AbortController().signal, (observation) =>
      withUrl(url, async (target) => {
        const findings = await preflight(target.sql, observation, { timeoutMs: 5000, ...options });
        return observation.scripts.flatMap(({ script, statements }) =>
          statements.flatMap((statement) =>
            (findings.get(statement) ?? []).map((finding) => ({
              ...finding,
              statement: `${script.fileName}, ${statement.chunk}`,
            })),
          ),
        );
      }),
    ),
  );
}

/** What is said, in one line each. */
function lines(findings: readonly Finding[]): readonly string[] {
  return findings.map(({ check, object, outcome, message, examples }) =>
    [
      `${outcome} ${check} ${object}: ${message}`,
      ...(examples.length > 0 ? [`[${examples.join("; ")}]`] : []),
    ].join(" "),
  );
}

interface Case extends Story {
  readonly title: string;
  readonly says: readonly string[];
}

const WISH = "CREATE TABLE wish (id int PRIMARY KEY, store text, amount int, shop int)";
const WISHES =
  "insert into wish values (1, 'Lego', 5, 1), (2, 'Amazon', 0, 1), (3, 'Amazon', null, 9), (4, null, 7, null)";
const SHOP = "CREATE TABLE shop (id int PRIMARY KEY)";

const CASES: readonly Case[] = [
  {
    title: "SET NOT NULL",
    base: [WISH],
    data: WISHES,
    pending: [
      ["ALTER TABLE wish ALTER COLUMN store SET NOT NULL", "ALTER TABLE wish ALTER COLUMN id SET NOT NULL"],
    ],
    says: ["fails not-null wish.store: 1 of 4 rows has no store [id = 4]"],
  },
  {
    title: "a required column without default",
    base: [WISH, SHOP],
    data: WISHES,
    pending: [
      [
        "ALTER TABLE wish ADD COLUMN owner int NOT NULL",
        "ALTER TABLE wish ADD COLUMN maker int NOT NULL DEFAULT 7",
        "ALTER TABLE wish ADD COLUMN turn serial NOT NULL",
        "ALTER TABLE shop ADD COLUMN owner int NOT NULL",
      ],
    ],
    says: [
      "fails not-null wish.owner: 4 rows would have no owner, which is NOT NULL and has no default [id = 1; id = 2; id = 3]",
      "passes not-null shop.owner: checked: the table is empty",
    ],
  },
  {
    title: "a column renamed by an earlier statement",
    base: [WISH],
    data: WISHES,
    pending: [
      ["ALTER TABLE wish RENAME COLUMN store TO seller", "ALTER TABLE wish RENAME TO wanted"],
      [
        "ALTER TABLE wanted ALTER COLUMN seller SET NOT NULL",
        "ALTER TABLE wanted ADD CONSTRAINT wanted_seller CHECK (seller <> 'Amazon')",
        "CREATE UNIQUE INDEX wanted_seller_unique ON wanted (seller)",
        "ALTER TABLE wanted DROP COLUMN seller",
      ],
    ],
    says: [
      "fails not-null wish.store: 1 of 4 rows has no seller [id = 4]",
      "fails check wish: 2 of 4 rows do not satisfy wanted_seller [id = 2; id = 3]",
      "fails unique wish: 1 key (seller) is there more than once [seller = 'Amazon' in 2 rows]",
      "loses drop-column wish.store: 3 of 4 rows lose their store [id = 1; id = 2; id = 3]",
    ],
  },
  {
    title: "names that must be quoted, in another schema",
    base: [
      'CREATE SCHEMA "My Shop"',
      'CREATE TABLE "My Shop"."Wish ""x""" ("Id" int PRIMARY KEY, "Sto\'re" text)',
    ],
    data: `insert into "My Shop"."Wish ""x""" values (1, null), (2, 'a''b'), (3, 'a''b')`,
    pending: [
      [
        'ALTER TABLE "My Shop"."Wish ""x""" ALTER COLUMN "Sto\'re" SET NOT NULL',
        'ALTER TABLE "My Shop"."Wish ""x""" ADD CONSTRAINT "U" UNIQUE ("Sto\'re")',
        'ALTER TABLE "My Shop"."Wish ""x""" ALTER COLUMN "Sto\'re" TYPE int USING "Sto\'re"::int',
        'ALTER TABLE "My Shop"."Wish ""x""" ADD CONSTRAINT "C" CHECK ("Sto\'re" = \'b\')',
        'ALTER TABLE "My Shop"."Wish ""x""" ALTER COLUMN "Sto\'re" TYPE varchar(2)',
        'DELETE FROM "My Shop"."Wish ""x""" WHERE "Id" > 1',
      ],
    ],
    says: [
      "fails not-null My Shop.Wish \"x\".Sto're: 1 of 3 rows has no Sto're [Id = 1]",
      "fails unique My Shop.Wish \"x\": 1 key (Sto're) is there more than once [Sto're = 'a''b' in 2 rows]",
      "fails type My Shop.Wish \"x\".Sto're: 2 rows have Sto're = 'a''b', which does not convert to integer [Id = 2]",
      'unknown fails-on-copy My Shop.Wish "x": it fails on a copy of the schema, perhaps not on the target\'s rows: invalid input syntax for type integer: "b" (22P02)',
      'unknown check My Shop.Wish "x": not checked: values that 0001_step.sql, statement 3, converts are in the way: invalid input syntax for type integer: "b" (22P02)',
      'unknown type My Shop.Wish "x".Sto\'re: not checked: values that 0001_step.sql, statement 3, converts are in the way: invalid input syntax for type integer: "a\'b" (22P02)',
      'loses delete My Shop.Wish "x": 2 rows are deleted',
    ],
  },
  {
    title: "partitioned tables",
    base: [
      "CREATE TABLE p (id int, day int, v text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)",
      "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)",
      "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20)",
      SHOP,
    ],
    data: "insert into p values (1, 1, null), (2, 2, 'a'), (3, 13, '7'), (4, 14, '7')",
    pending: [
      [
        "ALTER TABLE p ALTER COLUMN v SET NOT NULL",
        "CREATE UNIQUE INDEX p_v ON p (v, day)",
        "CREATE UNIQUE INDEX p_id ON p (day)",
        "ALTER TABLE p ADD CONSTRAINT p_day CHECK (day < 14)",
        "ALTER TABLE p ADD CONSTRAINT p_shop FOREIGN KEY (id) REFERENCES shop (id)",
        "ALTER TABLE p ALTER COLUMN v TYPE int USING v::int",
        "ALTER TABLE p1 ADD CONSTRAINT p1_day CHECK (day < 2)",
        "ALTER TABLE p DROP COLUMN v",
        "DROP TABLE p",
      ],
    ],
    says: [
      "fails not-null p.v: 1 of 4 rows has no v [id = 1, day = 1]",
      "passes unique p: checked: no v, day is there twice",
      "passes unique p: checked: no day is there twice",
      "fails check p: 1 of 4 rows does not satisfy p_day [id = 4, day = 14]",
      "fails foreign-key p: all 4 rows have no match in shop for id (p_shop) [id = 1, day = 1; id = 2, day = 2; id = 3, day = 13]",
      "fails type p.v: 1 row has v = 'a', which does not convert to integer [id = 2, day = 2]",
      "fails check p1: 1 of 2 rows does not satisfy p1_day [id = 2, day = 2]",
      "loses drop-column p.v: 3 of 4 rows lose their v [id = 2, day = 2; id = 3, day = 13; id = 4, day = 14]",
      "loses drop-table p: 4 rows are lost",
    ],
  },
  {
    title: "a foreign key to a partitioned table",
    base: [
      "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id)",
      "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)",
      "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20)",
      WISH,
    ],
    data: `${WISHES}; insert into p values (1), (11)`,
    pending: [["ALTER TABLE wish ADD CONSTRAINT wish_p FOREIGN KEY (shop) REFERENCES p"]],
    says: ["fails foreign-key wish: 1 of 4 rows has no match in p for shop (wish_p) [id = 3]"],
  },
  {
    title: "keys of several columns, of some rows, of expressions",
    base: ["CREATE TABLE k (a int, b text, c text, PRIMARY KEY (a, b))"],
    data: "insert into k values (1, 'x', 'Ab'), (1, 'y', 'aB'), (2, 'x', 'ab'), (3, 'x', null), (4, 'x', null)",
    pending: [
      [
        "CREATE UNIQUE INDEX k1 ON k (b, c)",
        "CREATE UNIQUE INDEX k2 ON k (lower(c))",
        "CREATE UNIQUE INDEX k3 ON k (b) WHERE a > 2",
        "CREATE UNIQUE INDEX k4 ON k (b) WHERE a = 1",
        "CREATE UNIQUE INDEX k5 ON k (c)",
        "ALTER TABLE k DROP CONSTRAINT k_pkey",
        "ALTER TABLE k ADD PRIMARY KEY (a)",
        "ALTER TABLE k ADD CHECK (a <> 3)",
      ],
    ],
    says: [
      "passes unique k: checked: no b, c is there twice",
      "fails unique k: 1 key (lower(c)) is there more than once [lower(c) = 'ab' in 3 rows]",
      "fails unique k: 1 key (b) is there more than once [b = 'x' in 2 rows]",
      "passes unique k: checked: no b is there twice",
      "passes unique k: checked: no c is there twice",
      "fails primary-key k: 1 key (a) is there more than once [a = '1' in 2 rows]",
      "fails check k: 1 of 5 rows does not satisfy k_a_check [a = 3, b = 'x']",
    ],
  },
  {
    title: "an index built CONCURRENTLY",
    base: [WISH],
    data: WISHES,
    pending: [["CREATE UNIQUE INDEX CONCURRENTLY wish_store ON wish (store)"]],
    says: ["fails unique wish: 1 key (store) is there more than once [store = 'Amazon' in 2 rows]"],
  },
  {
    title: "foreign keys",
    base: [
      WISH,
      SHOP,
      "CREATE TABLE pair (a int, b int, PRIMARY KEY (a, b))",
      "CREATE TABLE ref (id int PRIMARY KEY, x int, y int)",
    ],
    data: `${WISHES}; insert into shop values (1); insert into pair values (1, 1); insert into ref values (1, 1, 1), (2, 1, null), (3, 2, 2)`,
    pending: [
      [
        "ALTER TABLE wish ADD CONSTRAINT wish_shop FOREIGN KEY (shop) REFERENCES shop (id) NOT VALID",
        "ALTER TABLE wish VALIDATE CONSTRAINT wish_shop",
        "ALTER TABLE ref ADD CONSTRAINT ref_simple FOREIGN KEY (x, y) REFERENCES pair",
        "ALTER TABLE ref ADD CONSTRAINT ref_full FOREIGN KEY (x, y) REFERENCES pair MATCH FULL",
        "CREATE TABLE owner (id int PRIMARY KEY)",
        "ALTER TABLE ref ADD COLUMN owner int REFERENCES owner",
        "ALTER TABLE ref ADD CONSTRAINT ref_owner FOREIGN KEY (x) REFERENCES owner",
      ],
    ],
    says: [
      "fails foreign-key wish: 1 of 4 rows has no match in shop for shop (wish_shop) [id = 3]",
      "fails foreign-key ref: 1 of 3 rows has no match in pair for (x, y) (ref_simple) [id = 3]",
      "fails foreign-key ref: 2 of 3 rows have no match in pair for (x, y) (ref_full) [id = 2; id = 3]",
      "passes foreign-key ref: checked: every owner is in owner in 3 rows",
      "fails foreign-key ref: all 3 rows have no match in owner for x (ref_owner) [id = 1; id = 2; id = 3]",
    ],
  },
  {
    title: "domains",
    base: [
      "CREATE DOMAIN price AS numeric CHECK (VALUE < 100)",
      "CREATE TABLE d (id int PRIMARY KEY, p price, raw numeric)",
    ],
    data: "insert into d values (1, -5, -1), (2, 5, 200), (3, null, null)",
    pending: [
      [
        "ALTER DOMAIN price ADD CONSTRAINT price_positive CHECK (VALUE > 0)",
        "ALTER DOMAIN price ADD CONSTRAINT price_other CHECK (VALUE <> 5) NOT VALID",
        "ALTER DOMAIN price VALIDATE CONSTRAINT price_other",
        "ALTER TABLE d ALTER COLUMN raw TYPE price",
        "CREATE DOMAIN rough AS numeric CONSTRAINT rough_positive CHECK (VALUE > 0)",
        "ALTER TABLE d ALTER COLUMN raw TYPE rough",
        "ALTER TABLE d ALTER COLUMN p SET NOT NULL",
      ],
    ],
    says: [
      "fails domain d.p: 1 of 3 rows has a value in p that does not satisfy price_positive [id = 1]",
      "fails domain d.p: 1 of 3 rows has a value in p that does not satisfy price_other [id = 2]",
      "fails type d.raw: 1 row has raw = '200', which does not convert to public.price [id = 2]",
      'unknown type d.raw: not checked: values that 0001_step.sql, statement 4, converts are in the way: value for domain public.price violates check constraint "price_check" (23514)',
      'unknown domain d.raw: not checked: values that 0001_step.sql, statement 6, converts are in the way: value for domain public.price violates check constraint "price_check" (23514)',
      "fails not-null d.p: 1 of 3 rows has no p [id = 3]",
    ],
  },
  {
    title: "enums",
    base: [
      "CREATE TYPE mood AS ENUM ('sad', 'ok')",
      "CREATE TABLE e (id int PRIMARY KEY, a text, m mood, ms mood[])",
    ],
    data: "insert into e values (1, 'sad', 'sad', '{sad}'), (2, 'fine', 'ok', '{ok}'), (3, 'odd', 'ok', null), (4, 'odd', 'ok', null)",
    pending: [
      ["ALTER TABLE e ALTER COLUMN a TYPE mood USING a::mood"],
      [
        "ALTER TABLE e ALTER COLUMN m SET DATA TYPE text",
        "CREATE TYPE mood2 AS ENUM ('ok', 'great')",
        "ALTER TABLE e ALTER COLUMN m SET DATA TYPE mood2 USING m::mood2",
        "ALTER TABLE e ADD CONSTRAINT e_m CHECK (m <> 'great')",
        "ALTER TABLE e ALTER COLUMN ms TYPE mood2[] USING ms::text[]::mood2[]",
      ],
    ],
    says: [
      "fails type e.a: 2 rows have a = 'odd', 1 row has a = 'fine', which are no labels of mood [id = 2; id = 3; id = 4]",
      "fails type e.m: 1 row has m = 'sad', which is no label of mood2 [id = 1]",
      "passes check e: checked: e_m holds in 4 rows",
      "fails type e.ms: 1 row has 'sad' in ms, which is no label of mood2 [id = 1]",
    ],
  },
  {
    title: "values of another type",
    base: [
      "CREATE TABLE t (id int PRIMARY KEY, a text, b bigint, c numeric, d varchar(20), e varchar(20), f timestamp, g text, h text, i int, j text, k numeric)",
    ],
    data: "insert into t values (1, 'x', 5, 1.25, 'short', 'much longer', '2026-01-01 12:00', '2026-01-01', '{}', 1, '1', 1.5), (2, '7', 5000000000, 1e9, 'much longer', 'x', '2026-01-01', 'no date', '[1', 2, '2', 2), (3, '8', 1, 1, 'spaces    ', null, null, null, null, null, null, null)",
    pending: [
      [
        "ALTER TABLE t ALTER COLUMN a TYPE int USING a::int",
        "ALTER TABLE t ALTER COLUMN b TYPE int",
        "ALTER TABLE t ALTER COLUMN c TYPE numeric(5,1)",
        "ALTER TABLE t ALTER COLUMN d TYPE varchar(5)",
        "ALTER TABLE t ALTER COLUMN e TYPE varchar(5) USING e::varchar(5)",
        "ALTER TABLE t ALTER COLUMN f TYPE date",
        "ALTER TABLE t ALTER COLUMN g TYPE date USING CAST(g AS date)",
        "ALTER TABLE t ALTER COLUMN h TYPE jsonb USING h::jsonb",
        "ALTER TABLE t ALTER COLUMN i TYPE bigint",
        "ALTER TABLE t ALTER COLUMN i TYPE text",
        "ALTER TABLE t ALTER COLUMN j TYPE int USING NULL",
        "ALTER TABLE t ALTER COLUMN k TYPE int",
      ],
    ],
    says: [
      "fails type t.a: 1 row has a = 'x', which does not convert to integer [id = 1]",
      "fails type t.b: 1 row has b = '5000000000', which does not convert to integer [id = 2]",
      "fails type t.c: 1 row has c = '1000000000', which does not convert to numeric(5,1) [id = 2]",
      "fails type t.d: 2 of 3 rows have values in d that character varying(5) does not hold [id = 2; id = 3]",
      "loses type t.e: 1 of 3 rows has another value in e as character varying(5): 'much longer' becomes 'much ' [id = 1]",
      "loses type t.f: 1 of 3 rows has another value in f as date: '2026-01-01 12:00:00' becomes '2026-01-01' [id = 1]",
      "fails type t.g: 1 row has g = 'no date', which does not convert to date [id = 2]",
      "fails type t.h: 1 row has h = '[1', which does not convert to jsonb [id = 2]",
      "loses type t.j: 2 of 3 rows have other values in j as integer: '1' becomes NULL [id = 1; id = 2]",
      "loses type t.k: 1 of 3 rows has another value in k as integer: '1.5' becomes '2' [id = 1]",
    ],
  },
  {
    title: "what new values say to old rules",
    base: ["CREATE TABLE n (id int PRIMARY KEY, a text UNIQUE, b text CHECK (b <> '1.0'))"],
    data: "insert into n values (1, '1', '1'), (2, '01', '2')",
    pending: [["ALTER TABLE n ALTER COLUMN a TYPE int USING a::int"]],
    says: [
      "passes type n.a: checked: every a converts to integer in 2 rows",
      "fails unique n: 1 key (a) is there more than once [a = '1' in 2 rows]",
    ],
  },
  {
    title: "what is lost",
    base: [WISH, SHOP, "CREATE TABLE child (id int REFERENCES shop)"],
    data: `${WISHES}; insert into shop values (1); insert into child values (1)`,
    pending: [
      ["DELETE FROM wish AS w USING shop WHERE w.shop = shop.id RETURNING w.id"],
      ["ALTER TABLE wish DROP COLUMN store, DROP COLUMN amount"],
      ["TRUNCATE shop CASCADE"],
      ["DROP TABLE child", "DROP TABLE wish"],
    ],
    says: [
      "loses delete wish: 2 rows are deleted",
      "depends drop-column wish.store: 3 of 4 rows lose their store now; 0001_step.sql, statement 1, writes to the table before [id = 1; id = 2; id = 3]",
      "depends drop-column wish.amount: 3 of 4 rows lose their amount now; 0001_step.sql, statement 1, writes to the table before [id = 1; id = 2; id = 4]",
      "loses truncate shop: 1 row is lost",
      "loses truncate child: 1 row is lost",
      "depends drop-table child: 1 row is lost now; 0003_step.sql, statement 1, writes to the table before",
      "depends drop-table wish: 4 rows are lost now; 0001_step.sql, statement 1, writes to the table before",
    ],
  },
  {
    title: "tables without rows, and tables of the plan",
    base: [WISH],
    pending: [
      [
        "ALTER TABLE wish ADD COLUMN owner int NOT NULL",
        "ALTER TABLE wish ALTER COLUMN store SET NOT NULL",
        "CREATE UNIQUE INDEX wish_store ON wish (store)",
        "ALTER TABLE wish DROP COLUMN amount",
        "CREATE TABLE fresh (id int, v text)",
        "INSERT INTO fresh VALUES (1, null)",
        "ALTER TABLE fresh ADD PRIMARY KEY (id)",
        "ALTER TABLE fresh DROP COLUMN v",
        "DROP TABLE fresh",
        "DROP TABLE wish",
      ],
    ],
    says: [
      "passes not-null wish.owner: checked: the table is empty",
      "passes not-null wish.store: checked: the table is empty",
      "passes unique wish: checked: no store is there twice",
      "passes drop-column wish.amount: checked: the table is empty",
      "passes drop-table wish: checked: the table is empty",
    ],
  },
  {
    title: "columns of the plan",
    base: [WISH],
    data: WISHES,
    pending: [
      [
        "ALTER TABLE wish ADD COLUMN kind text DEFAULT 'none'",
        "ALTER TABLE wish ADD COLUMN turn serial",
        "ALTER TABLE wish ADD COLUMN note text",
        "CREATE UNIQUE INDEX wish_kind ON wish (kind)",
        "CREATE UNIQUE INDEX wish_turn ON wish (turn)",
        "ALTER TABLE wish ALTER COLUMN kind SET NOT NULL",
        "ALTER TABLE wish ALTER COLUMN note SET NOT NULL",
        "ALTER TABLE wish ADD CONSTRAINT wish_kind_check CHECK (kind = 'some')",
        "ALTER TABLE wish DROP COLUMN kind",
      ],
    ],
    says: [
      "fails unique wish: 1 key (kind) is there more than once [kind = 'none' in 4 rows]",
      "passes unique wish: checked: no turn is there twice",
      "passes not-null wish.kind: checked: no NULL in 4 rows",
      "fails not-null wish.note: all 4 rows have no note [id = 1; id = 2; id = 3]",
      "fails check wish: all 4 rows do not satisfy wish_kind_check [id = 1; id = 2; id = 3]",
    ],
  },
  {
    title: "generated columns",
    base: [WISH, "CREATE TABLE g (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED)"],
    data: `${WISHES}; insert into g values (1, null), (2, 4)`,
    pending: [
      [
        "ALTER TABLE wish ADD COLUMN share int GENERATED ALWAYS AS (100 / amount) STORED",
        "ALTER TABLE wish ADD COLUMN twice int NOT NULL GENERATED ALWAYS AS (amount * 2) STORED",
        "ALTER TABLE g ALTER COLUMN twice SET NOT NULL",
        "ALTER TABLE g DROP COLUMN twice",
      ],
    ],
    says: [
      "fails generated wish.share: a row makes PostgreSQL say: division by zero (22012)",
      "fails generated wish.twice: 1 of 4 rows would have no twice, which is NOT NULL [id = 3]",
      "fails not-null g.twice: 1 of 2 rows has no twice [id = 1]",
    ],
  },
  {
    title: "views in between",
    base: [WISH, "CREATE VIEW wishes AS SELECT id, store FROM wish"],
    data: WISHES,
    pending: [
      [
        "DROP VIEW wishes",
        "ALTER TABLE wish ALTER COLUMN store TYPE int USING store::int",
        "CREATE VIEW wishes AS SELECT id, store FROM wish",
      ],
      ["INSERT INTO wishes VALUES (5, null)", "ALTER TABLE wish ALTER COLUMN store SET NOT NULL"],
    ],
    says: [
      "fails type wish.store: 2 rows have store = 'Amazon', 1 row has store = 'Lego', which do not convert to integer [id = 2; id = 1]",
      'unknown fails-on-copy wish: it fails on a copy of the schema, perhaps not on the target\'s rows: column "store" of relation "wish" contains null values (23502)',
      'unknown not-null wish.store: not checked: values that 0001_step.sql, statement 2, converts are in the way: invalid input syntax for type integer: "Lego" (22P02)',
    ],
  },
  {
    title: "rows that an earlier statement writes",
    base: [WISH, SHOP, "CREATE TABLE child (id int PRIMARY KEY, shop int REFERENCES shop ON DELETE CASCADE)"],
    data: WISHES,
    pending: [
      [
        "UPDATE wish SET store = 'none' WHERE store IS NULL",
        "ALTER TABLE wish ALTER COLUMN store SET NOT NULL",
        "ALTER TABLE wish ALTER COLUMN amount SET NOT NULL",
      ],
      [
        "INSERT INTO shop VALUES (1), (9)",
        "ALTER TABLE wish ADD CONSTRAINT wish_shop FOREIGN KEY (shop) REFERENCES shop",
      ],
      ["DELETE FROM shop WHERE id = 4", "ALTER TABLE child ALTER COLUMN shop SET NOT NULL"],
      ["DO $$ BEGIN UPDATE wish SET amount = 0; END $$", "ALTER TABLE wish ALTER COLUMN amount SET NOT NULL"],
    ],
    says: [
      "depends not-null wish.store: 1 of 4 rows has no store now; 0001_step.sql, statement 1, writes to the table before [id = 4]",
      "fails not-null wish.amount: 1 of 4 rows has no amount [id = 3]",
      "depends foreign-key wish: 3 of 4 rows have no match in shop for shop (wish_shop) now; 0002_step.sql, statement 1, writes to the table before [id = 1; id = 2; id = 3]",
      "depends delete shop: checked: it deletes no row now; 0002_step.sql, statement 1, writes to the table before",
      "depends not-null child.shop: checked: the table is empty now; 0003_step.sql, statement 1, writes to the table before",
    ],
  },
  {
    title: "rules for pairs of rows",
    base: ["CREATE TABLE x (id int PRIMARY KEY, during int4range)"],
    data: "insert into x values (1, '[1,5)'), (2, '[4,6)'), (3, '[6,7)')",
    pending: [
      [
        "ALTER TABLE x ADD CONSTRAINT x_during EXCLUDE USING gist (during WITH &&)",
        "ALTER TABLE x ADD CONSTRAINT x_late EXCLUDE USING gist (during WITH &&) WHERE (id > 1)",
      ],
    ],
    says: [
      "fails exclude x: 1 pair of rows conflicts by x_during",
      "passes exclude x: checked: no two rows conflict by x_late",
    ],
  },
  {
    title: "keys too long for an index",
    base: ["CREATE TABLE l (id int PRIMARY KEY, v text)"],
    data: "insert into l select 1, string_agg(md5(n::text), '') from generate_series(1, 200) n; insert into l values (2, 'short')",
    pending: [
      [
        "CREATE INDEX l_v ON l (v)",
        "CREATE INDEX l_md5 ON l (md5(v))",
        "CREATE INDEX l_hash ON l USING hash (v)",
        "CREATE INDEX l_lower ON l (lower(v))",
      ],
    ],
    says: [
      "fails index-key l: 1 row has a key of (v) that is too long for a btree index: more than 2704 bytes [id = 1]",
      "unknown index-key l: 1 row may have a key of (lower(v)) that is too long for a btree index: more than 2704 bytes [id = 1]",
    ],
  },
  {
    title: "statements that fail on the copy",
    base: [WISH, "INSERT INTO wish VALUES (9, 'eBay', null, 1)"],
    data: WISHES,
    pending: [
      [
        "CREATE TYPE store AS ENUM ('Lego')",
        "ALTER TABLE wish ALTER COLUMN store TYPE store USING store::store",
      ],
      ["ALTER TABLE wish ADD COLUMN id int", "ALTER TABLE wish ALTER COLUMN amount SET NOT NULL"],
      [
        "ALTER TABLE wish ADD CONSTRAINT wish_store CHECK (store <> 'eBay')",
        "ALTER TABLE wish ADD COLUMN owner int NOT NULL",
      ],
    ],
    says: [
      "fails type wish.store: 2 rows have store = 'Amazon', 1 row has store = 'eBay', which are no labels of store [id = 2; id = 3; id = 9]",
      'fails fails-on-copy wish: it fails on a copy of the schema: column "id" of relation "wish" already exists (42701)',
      "fails not-null wish.amount: 2 of 5 rows have no amount [id = 3; id = 9]",
      "fails check wish: 1 of 5 rows does not satisfy wish_store [id = 9]",
      "fails not-null wish.owner: 5 rows would have no owner, which is NOT NULL and has no default [id = 1; id = 2; id = 3]",
    ],
  },
  {
    title: "a partition attached",
    base: [
      "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id)",
      "CREATE TABLE p1 (id int PRIMARY KEY)",
    ],
    data: "insert into p1 values (1), (11)",
    pending: [["ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (10)"]],
    says: ["fails partition p1: 1 of 2 rows is outside of the partition's bounds [id = 11]"],
  },
  {
    title: "rows that an earlier statement writes through a view or a DO block",
    base: [WISH, "CREATE VIEW wishes AS SELECT id, store, amount FROM wish"],
    data: WISHES,
    pending: [
      ["INSERT INTO wishes VALUES (5, 'x', 1)", "ALTER TABLE wish ALTER COLUMN store SET NOT NULL"],
      ["DO $$ BEGIN UPDATE wish SET amount = 0; END $$", "ALTER TABLE wish ALTER COLUMN amount SET NOT NULL"],
    ],
    says: [
      "depends not-null wish.store: 1 of 4 rows has no store now; 0001_step.sql, statement 1, writes to the table before [id = 4]",
      "depends not-null wish.amount: 1 of 4 rows has no amount now; 0002_step.sql, statement 1, writes to the table before [id = 3]",
    ],
  },
  {
    title: "expressions that cannot be computed",
    base: [WISH],
    data: WISHES,
    pending: [
      [
        "CREATE INDEX wish_share ON wish ((100 / amount))",
        "ALTER TABLE wish ADD CONSTRAINT wish_share CHECK (100 / amount > 0)",
        "CREATE FUNCTION good(text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'select $1 is not null'",
        "ALTER TABLE wish ADD CONSTRAINT wish_good CHECK (good(store))",
      ],
    ],
    says: [
      "fails index-key wish: a row makes PostgreSQL say: division by zero (22012)",
      "fails check wish: a row makes PostgreSQL say: division by zero (22012)",
      "unknown check wish: not checked: the target lacks what it needs: function public.good(text) does not exist (42883)",
    ],
  },
  {
    title: "an enum that values are mapped to, and one put in another's place",
    base: [
      "CREATE TYPE mood AS ENUM ('sad', 'ok')",
      "CREATE TABLE e (id int PRIMARY KEY, a text, m mood DEFAULT 'ok')",
    ],
    data: "insert into e values (1, 'sad', 'sad'), (2, 'odd', 'ok'), (3, 'worse', 'ok')",
    pending: [
      ["ALTER TABLE e ALTER COLUMN a TYPE mood USING (CASE a WHEN 'odd' THEN 'ok' ELSE a END)::mood"],
      [
        "CREATE TYPE mood_new AS ENUM ('ok')",
        "ALTER TABLE e ALTER COLUMN m DROP DEFAULT",
        "ALTER TABLE e ALTER COLUMN m TYPE mood_new USING m::text::mood_new",
        "ALTER TYPE mood RENAME TO mood_old",
        "ALTER TYPE mood_new RENAME TO mood",
      ],
    ],
    says: [
      "fails type e.a: 1 row gets 'worse' for a, which is no label of mood [id = 3]",
      "fails type e.m: 1 row has m = 'sad', which is no label of mood_new [id = 1]",
    ],
  },
  {
    title: "a value that an enum gets",
    base: ["CREATE TYPE mood AS ENUM ('sad', 'ok')", "CREATE TABLE e (id int PRIMARY KEY, a text)"],
    data: "insert into e values (1, 'sad'), (2, 'fine')",
    pending: [["ALTER TYPE mood ADD VALUE 'fine'"], ["ALTER TABLE e ALTER COLUMN a TYPE mood USING a::mood"]],
    says: ["passes type e.a: checked: all values are labels of mood in 2 rows"],
  },
  {
    title: "a table that is moved, and columns that change names with each other",
    base: [WISH, "CREATE SCHEMA shelf"],
    data: WISHES,
    pending: [
      [
        "ALTER TABLE wish SET SCHEMA shelf",
        "ALTER TABLE shelf.wish RENAME COLUMN amount TO x",
        "ALTER TABLE shelf.wish RENAME COLUMN shop TO amount",
        "ALTER TABLE shelf.wish RENAME COLUMN x TO shop",
        "ALTER TABLE shelf.wish ADD CONSTRAINT wish_amount CHECK (amount < 9)",
        "ALTER TABLE shelf.wish ADD CONSTRAINT wish_both CHECK (shop >= 0)",
        "ALTER TABLE shelf.wish ALTER COLUMN id TYPE varchar(1)",
      ],
    ],
    says: [
      "fails check wish: 1 of 4 rows does not satisfy wish_amount [id = 3]",
      "passes check wish: checked: wish_both holds in 4 rows",
      "passes type wish.id: checked: every id converts to character varying(1) in 4 rows",
    ],
  },
  {
    title: "tables without a primary key",
    base: ["CREATE TABLE bare (a int, b text)"],
    data: "insert into bare values (1, 'x'), (1, null), (null, 'y')",
    pending: [
      [
        "ALTER TABLE bare ADD PRIMARY KEY (a)",
        "ALTER TABLE bare ADD CONSTRAINT bare_b UNIQUE (b)",
        "CREATE UNIQUE INDEX bare_ab ON bare (a, b)",
        "ALTER TABLE bare ADD CONSTRAINT bare_both UNIQUE USING INDEX bare_ab",
      ],
    ],
    says: [
      "fails not-null bare.a: 1 of 3 rows has no a [ctid = '(0,3)']",
      "fails primary-key bare: 1 key (a) is there more than once [a = '1' in 2 rows]",
      "passes unique bare: checked: no b is there twice",
      "passes unique bare: checked: no a, b is there twice",
    ],
  },
  {
    title: "a materialized view's key",
    base: [WISH, "CREATE MATERIALIZED VIEW seen AS SELECT 1 AS id, 2 AS shop UNION ALL SELECT 2, 2"],
    pending: [["CREATE UNIQUE INDEX seen_id ON seen (id)", "CREATE UNIQUE INDEX seen_shop ON seen (shop)"]],
    says: [
      "passes unique seen: checked: no id is there twice",
      "fails unique seen: 1 key (shop) is there more than once [shop = '2' in 2 rows]",
    ],
  },
  {
    title: "several commands in one statement",
    base: [WISH],
    data: WISHES,
    pending: [
      [
        "ALTER TABLE wish RENAME COLUMN store TO seller; ALTER TABLE wish ADD CONSTRAINT wish_seller CHECK (seller <> 'Lego'), ALTER COLUMN amount SET NOT NULL",
      ],
    ],
    says: [
      "fails not-null wish.amount: 1 of 4 rows has no amount [id = 3]",
      "fails check wish: 1 of 4 rows does not satisfy wish_seller [id = 1]",
    ],
  },
  {
    title: "a type change together with a rule for the new values",
    base: [WISH],
    data: WISHES,
    pending: [
      [
        "ALTER TABLE wish ALTER COLUMN shop TYPE text USING 'shop ' || shop, ADD CONSTRAINT wish_shop CHECK (shop <> 'shop 9')",
      ],
    ],
    says: [
      "fails check wish: 1 of 4 rows does not satisfy wish_shop [id = 3]",
      "passes type wish.shop: checked: every shop converts to text in 4 rows",
    ],
  },
  {
    title: "deletions",
    base: [WISH, SHOP],
    data: `${WISHES}; insert into shop values (1)`,
    pending: [
      ["WITH old AS (SELECT 9 AS shop) DELETE FROM wish WHERE shop IN (SELECT shop FROM old)"],
      ["DELETE FROM wish WHERE store = 'nobody'", "DELETE FROM shop"],
    ],
    says: [
      "loses delete wish: 1 row is deleted",
      "depends delete wish: checked: it deletes no row now; 0001_step.sql, statement 1, writes to the table before",
      "loses delete shop: 1 row is deleted",
    ],
  },
];

/** Runs a plan as far as it goes, each statement that fails left out. @returns which do */
async function run({ folder, sql, applied }: Place): Promise<readonly string[]> {
  const { migrations } = await readFolder(folder);
  const failed: string[] = [];
  for (const { up } of migrations.slice(applied)) {
    for (const [index, statement] of (up?.statements ?? []).entries()) {
      await sql.unsafe(statement.sql).catch(() => failed.push(`${up?.fileName}, ${index + 1}`));
    }
  }
  return failed;
}

describe("preflight", () => {
  test.each(titled(CASES))("%s", async (_, { says, ...story }) => {
    const place = await placeOf(story);
    const findings = await look(place);
    const failed = await run(place);
    const told = (...outcomes: readonly string[]) =>
      new Set(findings.filter(({ outcome }) => outcomes.includes(outcome)).map(({ statement }) => statement));
    expect(lines(findings)).toEqual(says);
    // What is said to fail does, and nothing fails of which only good is said.
    expect([...told("fails")].filter((statement) => !failed.includes(statement))).toEqual([]);
    const doubtful = told("fails", "depends", "unknown");
    expect(failed.filter((statement) => !doubtful.has(statement))).toEqual([]);
  });
});

interface Incident {
  readonly title: string;
  readonly story: Story;
  readonly says: string;
  /** SQLSTATE of what the migration fails with. */
  readonly code: string;
}

/** What has happened to others, and must be told before it happens. */
const INCIDENTS: readonly Incident[] = [
  {
    title: "a text column becomes an enum that lacks one of its values",
    story: {
      base: [WISH],
      data: WISHES,
      pending: [
        [
          "CREATE TYPE wish_store AS ENUM ('Lego', 'BrickLink')",
          'ALTER TABLE "wish" ALTER COLUMN "store" SET DATA TYPE "public"."wish_store" USING "store"::"public"."wish_store"',
        ],
      ],
    },
    says: "2 rows have store = 'Amazon', which is no label of wish_store",
    code: "22P02",
  },
  {
    title: "a filled table gets a required column without a default",
    story: { base: [WISH], data: WISHES, pending: [["ALTER TABLE wish ADD COLUMN owner int NOT NULL"]] },
    says: "4 rows would have no owner, which is NOT NULL and has no default",
    code: "23502",
  },
  {
    title: "a unique index over duplicates",
    story: { base: [WISH], data: WISHES, pending: [["CREATE UNIQUE INDEX wish_store ON wish (store)"]] },
    says: "1 key (store) is there more than once",
    code: "23505",
  },
  {
    title: "a foreign key over orphans",
    story: {
      base: [WISH, SHOP],
      data: `${WISHES}; insert into shop values (1)`,
      pending: [["ALTER TABLE wish ADD CONSTRAINT wish_shop FOREIGN KEY (shop) REFERENCES shop (id)"]],
    },
    says: "1 of 4 rows has no match in shop for shop (wish_shop)",
    code: "23503",
  },
  {
    title: "a CHECK that old rows break",
    story: {
      base: [WISH],
      data: WISHES,
      pending: [["ALTER TABLE wish ADD CONSTRAINT wish_amount CHECK (amount > 0)"]],
    },
    says: "1 of 4 rows does not satisfy wish_amount",
    code: "23514",
  },
  {
    title: "a whole number that gets too small a type",
    story: {
      base: ["CREATE TABLE part (id int PRIMARY KEY, pieces int)"],
      data: "insert into part values (1, 7), (2, 40000)",
      pending: [["ALTER TABLE part ALTER COLUMN pieces TYPE smallint"]],
    },
    says: "1 row has pieces = '40000', which does not convert to smallint",
    code: "22003",
  },
];

describe("a statement that depends on earlier ones", () => {
  test("names the one that renames its column, and fails all the same", async () => {
    const pending = [
      ["ALTER TABLE wish RENAME COLUMN store TO seller"],
      ["ALTER TABLE wish ALTER COLUMN seller SET NOT NULL"],
    ];
    expect(await look(await placeOf({ base: [WISH], data: WISHES, pending }))).toMatchObject([
      { outcome: "fails", object: "wish.store", count: 1, dependsOn: "0001_step.sql, statement 1" },
    ]);
  });

  test("names none that writes to other tables or sets other columns", async () => {
    const pending = [
      [
        "UPDATE wish SET store = 'none'",
        "INSERT INTO shop VALUES (1)",
        "ALTER TABLE wish ALTER COLUMN amount SET NOT NULL",
      ],
    ];
    expect(await look(await placeOf({ base: [WISH, SHOP], data: WISHES, pending }))).toMatchObject([
      { outcome: "fails", object: "wish.amount", dependsOn: undefined },
    ]);
  });

  test.each([
    ["a DO block", "DO $$ BEGIN UPDATE wish SET store = 'none'; END $$"],
    ["a function", "SELECT fill()"],
  ])("names %s that may write to a table which the transaction holds already", async (_, writes) => {
    const fill = "CREATE FUNCTION fill() RETURNS void LANGUAGE sql AS 'UPDATE wish SET amount = 0'";
    const pending = [
      ["ALTER TABLE wish ADD COLUMN note text", writes, "ALTER TABLE wish ALTER COLUMN store SET NOT NULL"],
    ];
    expect(await look(await placeOf({ base: [WISH, fill], data: WISHES, pending }))).toMatchObject([
      { outcome: "depends", object: "wish.store", dependsOn: "0001_step.sql, statement 2" },
    ]);
  });
});

test("rows of a default partition that a new partition takes are told", async () => {
  const place = await placeOf({
    base: [
      "CREATE TABLE ev (at date) PARTITION BY RANGE (at); CREATE TABLE ev_rest PARTITION OF ev DEFAULT;",
    ],
    data: "insert into ev values ('2025-01-01'), ('2026-01-01'), ('2026-02-01')",
    pending: [["CREATE TABLE ev_2026 PARTITION OF ev FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')"]],
  });
  expect(lines(await look(place))).toEqual([
    expect.stringMatching(
      /^fails partition ev_rest: 2 of 3 rows are outside of what is left to the default partition/,
    ),
  ]);
  const error = await failureOf(migrate({ migrations: place.folder, url: place.url }));
  expect(error.details.join()).toContain("23514");
});

describe("preflight of what not every server has", () => {
  test("keys of which nothing is like nothing", async () => {
    const place = await placeOf({
      base: ["CREATE TABLE k (a int, b text)"],
      data: "insert into k values (1, null), (1, null), (2, null), (3, 'x')",
      pending: [
        ["CREATE UNIQUE INDEX k_ab ON k (a, b) NULLS NOT DISTINCT", "CREATE UNIQUE INDEX k_b ON k (b)"],
      ],
    });
    const says =
      MAJOR < 15
        ? "fails fails-on-copy k: it fails on a copy of the schema: syntax error at or near"
        : "fails unique k: 1 key (a, b) is there more than once [a = '1', b = NULL in 2 rows]";
    expect(lines(await look(place))).toEqual([
      expect.stringContaining(says),
      "passes unique k: checked: no b is there twice",
    ]);
  });
});

describe("incidents are told before they happen", () => {
  test.each(titled(INCIDENTS))("%s", async (_, { story, says, code }) => {
    const place = await placeOf(story);
    const told = (await look(place)).filter(({ outcome }) => outcome === "fails");
    expect(told.map(({ message }) => message)).toEqual([says]);
    const error = await failureOf(migrate({ migrations: place.folder, url: place.url }));
    expect(error.message + error.details.join()).toContain("0001_step.sql");
    expect(error.details.join()).toContain(`(${code})`);
  });

  test("a dropped column that still holds values", async () => {
    const pending = [["ALTER TABLE wish DROP COLUMN store"]];
    const place = await placeOf({ base: [WISH], data: WISHES, pending });
    expect(await look(place)).toMatchObject([
      { check: "drop-column", object: "wish.store", outcome: "loses", count: 3 },
    ]);
    await migrate({ migrations: place.folder, url: place.url });
    expect(Object.keys((await place.sql`select * from wish`)[0] ?? {})).not.toContain("store");
  });
});

describe("preflight, where it cannot look at all", () => {
  const story: Story = {
    base: [WISH, SHOP],
    data: WISHES,
    pending: [
      ["ALTER TABLE wish ALTER COLUMN store SET NOT NULL", "ALTER TABLE shop ADD COLUMN owner int NOT NULL"],
    ],
  };

  test("says that the role may not read a table, and goes on", async () => {
    const place = await placeOf(story);
    const role = await createTestRole();
    await place.sql.unsafe(`grant select on shop to "${role.name}"`);
    expect(lines(await look(place, {}, role.urlOf(place.database)))).toEqual([
      "unknown not-null wish.store: not checked: this role may not read all of it: permission denied for table wish (42501)",
      "passes not-null shop.owner: checked: the table is empty",
    ]);
  });

  test("says that a policy hides rows", async () => {
    const place = await placeOf(story);
    const role = await createTestRole();
    await place.sql.unsafe(
      `grant select on wish, shop to "${role.name}"; alter table wish enable row level security`,
    );
    expect(lines(await look(place, {}, role.urlOf(place.database)))[0]).toBe(
      'unknown not-null wish.store: not checked: this role may not read all of it: query would be affected by row-level security policy for table "wish" (42501)',
    );
  });

  test("does not wait for a locked table", async () => {
    const place = await placeOf(story);
    await place.sql.begin(async (other) => {
      await other.unsafe("lock table wish in access exclusive mode");
      expect(lines(await look(place))).toEqual([
        "unknown not-null wish.store: not checked: another session has locked the table: canceling statement due to lock timeout (55P03)",
        "passes not-null shop.owner: checked: the table is empty",
      ]);
    });
  });

  test("looks at a part of a table where the whole takes too long, and says so", async () => {
    const place = await placeOf({
      ...story,
      pending: [["ALTER TABLE wish ADD CONSTRAINT slow CHECK (pg_sleep(0.02) IS NOT NULL)"]],
    });
    await place.sql.unsafe(
      "truncate wish; insert into wish select n, repeat('x', 1000) from generate_series(1, 700) n",
    );
    const [finding] = await look(place, { timeoutMs: 500 });
    expect(finding).toMatchObject({ outcome: "passes", sampled: true });
    expect(finding?.message).toMatch(/^checked: slow holds in a sample of 1 % \(\d+ rows?\)$/);
  });

  test("says that a check took too long", async () => {
    const place = await placeOf({
      ...story,
      pending: [["CREATE UNIQUE INDEX slow ON wish ((md5(repeat(store, 20000))))"]],
    });
    await place.sql.unsafe("insert into wish select n, repeat('x', 900) from generate_series(10, 200) n");
    expect(lines(await look(place, { timeoutMs: 50 }))[0]).toBe(
      "unknown unique wish: not checked: it took too long: canceling statement due to statement timeout (57014)",
    );
  });

  test("says that no time was left", async () => {
    expect(lines(await look(await placeOf(story), { totalMs: 0 }))).toEqual([
      "unknown not-null wish.store: not checked: no time was left for it, of 0 ms for all checks",
      "unknown not-null shop.owner: not checked: no time was left for it, of 0 ms for all checks",
    ]);
  });

  test("says what a target lacks that is not as its migrations left it", async () => {
    const place = await placeOf(story);
    await place.sql.unsafe("alter table wish drop column store; drop table shop");
    expect(lines(await look(place))).toEqual([
      "fails drift wish.store: wish.store is not there: the database is not what its migrations say (`migrator check` tells the rest)",
      "fails drift shop: shop is not there: the database is not what its migrations say (`migrator check` tells the rest)",
      'unknown not-null shop.owner: not checked: the target lacks what it needs: relation "public.shop" does not exist (42P01)',
    ]);
  });
});

describe("preflight of huge tables", () => {
  test("looks at a sample where that answers, and says so", async () => {
    const place = await placeOf({
      base: [WISH],
      data: "insert into wish select n, case when n % 2 = 0 then 'x' end, n % 3, 1 from generate_series(1, 20000) n; analyze wish",
      pending: [
        [
          "ALTER TABLE wish ALTER COLUMN store SET NOT NULL",
          "CREATE UNIQUE INDEX wish_store ON wish (store)",
          "ALTER TABLE wish ALTER COLUMN store TYPE int USING store::int",
          "DROP TABLE wish",
        ],
      ],
    });
    const found = await look(place, { sampleAboveRows: 1000 });
    expect(found.map(({ outcome, sampled, check }) => [check, outcome, sampled])).toEqual([
      ["not-null", "fails", true],
      ["unique", "fails", true],
      ["type", "fails", true],
      ["drop-table", "loses", true],
    ]);
    expect(found.map(({ message }) => message.replaceAll(/[\d,]+ (of [\d,]+ )?rows/g, "N rows"))).toEqual([
      "N rows in a sample of 5 % have no store",
      "1 key (store) is there more than once in a sample of 5 %",
      "N rows have store = 'x' (of a sample of 5 %), which does not convert to integer",
      "about N rows are lost",
    ]);
  });
});

describe("preflight leaves everything as it is", () => {
  test("changes nothing, and takes no lock that a writer has to wait for", async () => {
    const place = await placeOf({
      base: [WISH, SHOP],
      data: `${WISHES}; insert into shop values (1)`,
      pending: [
        [
          "ALTER TABLE wish ADD CONSTRAINT slow CHECK (pg_sleep(0.05) IS NOT NULL)",
          "ALTER TABLE wish ADD CONSTRAINT wish_shop FOREIGN KEY (shop) REFERENCES shop",
          "ALTER TABLE wish ALTER COLUMN amount SET NOT NULL",
          "ALTER TABLE wish ALTER COLUMN store TYPE int USING (pg_sleep(0.05)::text || store)::int",
          "DELETE FROM wish WHERE pg_sleep(0.05) IS NOT NULL",
          "TRUNCATE shop CASCADE",
        ],
      ],
    });
    const rows = () => place.sql`select wish, xmin::text, ctid::text from wish order by id`;
    const before = [await readCatalog(place.sql), await rows()];
    const modes = new Set<string>();
    let isOver = false;
    const watching = (async () => {
      while (!isOver) {
        const locks = await place.sql<{ mode: string }[]>`
          select mode from pg_locks join pg_stat_activity using (pid)
          where relation in ('wish'::regclass, 'shop'::regclass) and pid <> pg_backend_pid()`;
        for (const { mode } of locks) modes.add(mode);
      }
    })();
    const found = await look(place);
    isOver = true;
    await watching;
    expect(found.length).toBeGreaterThan(5);
    expect([...modes]).toEqual(["AccessShareLock"]);
    expect([await readCatalog(place.sql), await rows()]).toEqual(before);
  });

  test("holds a table only while that is read", async () => {
    const place = await placeOf({
      base: [WISH, SHOP],
      data: WISHES,
      pending: [
        [
          "ALTER TABLE shop ADD COLUMN owner int NOT NULL",
          "ALTER TABLE wish ADD CONSTRAINT slow CHECK (pg_sleep(0.3) IS NOT NULL)",
        ],
      ],
    });
    const looking = look(place);
    const held = async () =>
      (
        await place.sql<{ name: string }[]>`
        select relation::regclass::text as name from pg_locks where relation in ('wish'::regclass, 'shop'::regclass)`
      ).map(({ name }) => name);
    let names: readonly string[] = [];
    while (!names.includes("wish")) names = await held();
    expect(names).toEqual(["wish"]);
    await looking;
  });
});
