import { createTestDatabase, createTestRole } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { readSettings } from "../src/config.ts";
import { withUrl } from "../src/database/connect.ts";
import { withScratch } from "../src/database/scratch.ts";
import { readFolder } from "../src/folder/read.ts";
import { migrate } from "../src/index.ts";
import { observe } from "../src/review/observe.ts";
import { type Finding, type PreflightOptions, preflight } from "../src/review/preflight.ts";
import { readCatalog } from "./support/database.ts";
import { BREAKPOINT, makeFolder } from "./support/folder.ts";
import { titled } from "./support/titled.ts";

type Sql = Awaited<ReturnType<typeof createTestDatabase>>["sql"];

/** A database at its applied state, with rows, and a folder that has more. */
interface Place {
  readonly folder: string;
  readonly url: string;
  readonly sql: Sql;
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
  const { url, sql } = await createTestDatabase();
  await migrate({ migrations: await makeFolder(files.slice(0, 1)), url });
  if (data !== "") await sql.unsafe(data);
  return { folder: await makeFolder(files), url, sql, applied: 1 };
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
              statement: `${script.fileName}, ${statement.number}`,
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
  /** Set where more fails than is told, or less: which statements do. */
  readonly fails?: readonly string[];
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
    says: [],
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
    says: [],
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
    says: [],
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
    says: [],
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
    says: [],
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
    says: [],
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
    says: [],
  },
  {
    title: "an index built CONCURRENTLY",
    base: [WISH],
    data: WISHES,
    pending: [["CREATE UNIQUE INDEX CONCURRENTLY wish_store ON wish (store)"]],
    says: [],
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
    says: [],
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
    says: [],
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
      ["ALTER TYPE mood ADD VALUE 'fine'"],
      [
        "ALTER TABLE e ALTER COLUMN a TYPE mood USING a::mood",
        "ALTER TABLE e ALTER COLUMN a TYPE mood USING (CASE a WHEN 'odd' THEN 'ok' ELSE a END)::mood",
      ],
      [
        "ALTER TABLE e ALTER COLUMN m SET DATA TYPE text",
        "CREATE TYPE mood2 AS ENUM ('ok', 'great')",
        "ALTER TABLE e ALTER COLUMN m SET DATA TYPE mood2 USING m::mood2",
        "ALTER TABLE e ADD CONSTRAINT e_m CHECK (m <> 'great')",
        "ALTER TABLE e ALTER COLUMN ms TYPE mood2[] USING ms::text[]::mood2[]",
      ],
    ],
    says: [],
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
    says: [],
  },
  {
    title: "what new values say to old rules",
    base: ["CREATE TABLE n (id int PRIMARY KEY, a text UNIQUE, b text CHECK (b <> '1.0'))"],
    data: "insert into n values (1, '1', '1'), (2, '01', '2')",
    pending: [["ALTER TABLE n ALTER COLUMN a TYPE int USING a::int"]],
    says: [],
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
    says: [],
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
    says: [],
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
    says: [],
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
    says: [],
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
    says: [],
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
    says: [],
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
    says: [],
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
    says: [],
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
    says: [],
  },
  { title: "a partition attached", base: ["CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id)", "CREATE TABLE p1 (id int PRIMARY KEY)"], data: "insert into p1 values (1), (11)", pending: [["ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (10)"]], says: [] },
  { title: "rows that an earlier statement writes through a view or a DO block", base: [WISH, "CREATE VIEW wishes AS SELECT id, store, amount FROM wish"], data: WISHES, pending: [["INSERT INTO wishes VALUES (5, 'x', 1)", "ALTER TABLE wish ALTER COLUMN store SET NOT NULL"], ["DO $$ BEGIN UPDATE wish SET amount = 0; END $$", "ALTER TABLE wish ALTER COLUMN amount SET NOT NULL"]], says: [] },
  { title: "expressions that cannot be computed", base: [WISH], data: WISHES, pending: [["CREATE INDEX wish_share ON wish ((100 / amount))", "ALTER TABLE wish ADD CONSTRAINT wish_share CHECK (100 / amount > 0)", "CREATE FUNCTION good(text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'select $1 is not null'", "ALTER TABLE wish ADD CONSTRAINT wish_good CHECK (good(store))"]], says: [], fails: ["0001_step.sql, 1", "0001_step.sql, 2", "0001_step.sql, 4"] },
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
  test.each(titled(CASES))("%s", async (_, { says, fails, ...story }) => {
    const place = await placeOf(story);
    const findings = await look(place);
    const failed = await run(place);
    const told = findings.filter(({ outcome }) => outcome === "fails").map(({ statement }) => statement);
    expect([lines(findings), failed]).toEqual([says, fails ?? [...new Set(told)]]);
  });
});
void createTestRole;
void readCatalog;
