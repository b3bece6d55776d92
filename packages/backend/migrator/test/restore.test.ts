import { createTestRole } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { migrate, rollback } from "../src/index.ts";
import { expectRoundTrip, migratedPlace, putBack, readRows, saveAndDrop } from "./support/backups.ts";
import { runCli } from "./support/cli.ts";
import { failureOf, quoted } from "./support/database.ts";
import { type MigrationFiles, THREE, writeMigrations } from "./support/folder.ts";
import { titled } from "./support/titled.ts";

const BASE: MigrationFiles = { tag: "0000_base", sql: "CREATE TABLE kept (id int PRIMARY KEY, note text);" };

/** A migration with what it takes back; rows come later, as they do from a service. */
function last(sql: string, down: string): readonly MigrationFiles[] {
  return [BASE, { tag: "0001_last", sql, down }];
}

const TYPES = `CREATE TYPE mood AS ENUM ('ok', 'so so', 'l''été "x"');
  CREATE TYPE pair AS (a int, b text);
  CREATE DOMAIN positive AS int CHECK (VALUE > 0);
  CREATE TABLE every (id uuid PRIMARY KEY, t text, v varchar(20), c char(5), n numeric(12, 4), bare numeric, i int, s smallint,
    l bigint, r real, d double precision, b boolean, j jsonb, js json, ta text[], ia int[], ma mood[], m mood, p pair, po positive,
    ts timestamp, tz timestamptz, dt date, tm time, tmz timetz, iv interval, by bytea, ip inet, mac macaddr, pt point, x xml, bits bit(4),
    vb varbit, tr tstzrange, nr int4range, tv tsvector, oc regclass, mo money);`;

const VALUES: readonly string[] = [
  `'00000000-0000-4000-8000-000000000001', E'tab\\t line\\n return\\r back\\\\slash \\\\N \\\\. quote'' "', 'ünïcödé 🧱', 'ab', 12345678.1234, 'NaN', -2147483648, -32768,
    9223372036854775807, 0.1, 0.1::float8 + 0.2::float8, true, '{"a": [1, null, "\\n"], "ß": "\\\\"}', '{"a":  1, "a": 2}', ARRAY['a,b', '{"', NULL, '', 'NULL', E'\\\\', E'x\\ny'],
    '{{1,2},{3,NULL}}', ARRAY['ok', 'l''été "x"']::mood[], 'l''été "x"', ROW(1, E'a,b\\n"')::pair, 7, '2026-02-28 23:59:59.123456', '2026-07-01 12:00:00.000001+02',
    'infinity', '23:59:59.999999', '12:00+05:30', '1 year -2 mons 3 days 04:05:06.789', '\\x00ff5c0a09', '::1/64', '08:00:2b:01:02:03', '(1.5,-0)', '<a>b</a>', B'1010',
    B'101', '[2026-01-01, 2026-02-01)', '(,5]', 'a:1 b''c:2', 'kept', '1.25'`,
  `'00000000-0000-4000-8000-000000000002', ''${", NULL".repeat(36)}`,
];

test("values of every type come back as they were, NULLs and empty texts apart", async () => {
  const place = await migratedPlace(
    last(TYPES, "DROP TABLE every;\nDROP TYPE mood;\nDROP TYPE pair;\nDROP DOMAIN positive;"),
  );
  const columns =
    await place.sql`select count(*)::int as n from information_schema.columns where table_name = 'every'`;
  expect(columns[0]?.n).toBe(38);
  for (const values of VALUES) await place.sql.unsafe(`insert into every values (${values})`);
  await place.sql.unsafe(`insert into every (id, t, v, c, m, p, ta, ma) values
    ('00000000-0000-4000-8000-000000000003', '\\N', E'\\\\.', '', NULL, ROW(NULL, NULL), '{}', '{}')`);
  await expectRoundTrip(place, "every");
});

test("sessions with settings of their own change nothing of what is saved and put back", async () => {
  const place = await migratedPlace(
    last(
      "CREATE TABLE odd (id int PRIMARY KEY, tz timestamptz, iv interval, f float8, b bytea, d date);",
      "DROP TABLE public.odd;",
    ),
  );
  await place.sql`insert into odd values (1, '2026-07-01 12:00+00', '-1 day 2 hours', 1.0 / 3, '\\x005c', '2026-02-01')`;
  for (const setting of [
    "datestyle = 'SQL, DMY'",
    "intervalstyle = 'sql_standard'",
    "extra_float_digits = -15",
    "bytea_output = 'escape'",
    "timezone = 'Asia/Kolkata'",
    "search_path = 'nowhere'",
  ])
    await place.sql.unsafe(`alter database ${quoted(place.database.name)} set ${setting}`);
  const before = await place.sql`select tz, iv, f, b, d from odd`;
  const folder = await rollback({ ...place.input, allowDataLoss: true }).then(
    ({ backups }) => backups[0]?.folder,
  );
  // A database whose own settings are back: what was written must not depend on them.
  await place.sql.unsafe(`alter database ${quoted(place.database.name)} reset all`);
  await migrate(place.input);
  await putBack(place, folder ?? "");
  expect(await place.sql`select tz, iv, f, b, d from odd`).toEqual(before);
});

interface Case {
  readonly title: string;
  readonly up: string;
  readonly down: string;
  readonly rows: string;
  readonly tables: readonly string[];
  /** In which the tables are filled, where that matters. */
  readonly order?: readonly string[];
}

const CASES: readonly Case[] = [
  {
    title: "foreign keys between lost tables, named against their order, and to one that stays",
    up: "CREATE TABLE b (id int PRIMARY KEY, kept_id int REFERENCES kept);\nCREATE TABLE a (id int PRIMARY KEY, b_id int NOT NULL REFERENCES b ON DELETE CASCADE);",
    down: "DROP TABLE a;\nDROP TABLE b;",
    rows: "INSERT INTO kept VALUES (1);\nINSERT INTO b VALUES (1, 1), (2, NULL);\nINSERT INTO a VALUES (1, 1), (2, 2)",
    tables: ["a", "b"],
    order: ["b", "a"],
  },
  {
    title: "foreign keys in a circle",
    up: "CREATE TABLE a (id int PRIMARY KEY, b_id int);\nCREATE TABLE b (id int PRIMARY KEY, a_id int NOT NULL REFERENCES a);\nALTER TABLE a ADD CONSTRAINT a_b FOREIGN KEY (b_id) REFERENCES b;",
    down: "DROP TABLE a, b;",
    rows: "INSERT INTO a VALUES (1, NULL), (2, NULL);\nINSERT INTO b VALUES (1, 1), (2, 2);\nUPDATE a SET b_id = 3 - id",
    tables: ["a", "b"],
  },
  {
    title: "a table that refers to itself, a child before its parent",
    up: "CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree);",
    down: "DROP TABLE tree;",
    rows: "INSERT INTO tree VALUES (9, NULL), (1, NULL);\nUPDATE tree SET parent = 9 WHERE id = 1;\nUPDATE tree SET parent = NULL WHERE id = 9",
    tables: ["tree"],
  },
  {
    title: "generated columns, which are worked out anew",
    up: "CREATE TABLE g (id int PRIMARY KEY, n int, double int GENERATED ALWAYS AS (n * 2) STORED, last text);",
    down: "DROP TABLE g;",
    rows: "INSERT INTO g (id, n, last) VALUES (1, 21, 'x')",
    tables: ["g"],
  },
  {
    title: "a partitioned table with rows in several partitions",
    up: "CREATE TABLE p (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);\nCREATE TABLE p_1 PARTITION OF p FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');\nCREATE TABLE p_rest PARTITION OF p DEFAULT;",
    down: "DROP TABLE p;",
    rows: "INSERT INTO p VALUES (1, '2026-01-15'), (2, '2027-01-15')",
    tables: ["p", "p_1", "p_rest"],
  },
  {
    title: "tables in a schema that CASCADE takes along, with names that need quotes",
    up: 'CREATE SCHEMA "My shop";\nCREATE TABLE "My shop"."Odd ""table; --" ("a b" int PRIMARY KEY, "select" text, "ü\\\\" text);',
    down: 'DROP SCHEMA "My shop" CASCADE;',
    rows: `INSERT INTO "My shop"."Odd ""table; --" VALUES (1, 'x', 'y')`,
    tables: ['"My shop"."Odd ""table; --"'],
  },
  {
    title: "a table without a key, with equal rows, and one without a column",
    up: "CREATE TABLE bag (n int);\nCREATE TABLE nothing ();",
    down: "DROP TABLE bag;\nDROP TABLE nothing;",
    rows: "INSERT INTO bag VALUES (1), (1), (NULL);\nINSERT INTO nothing DEFAULT VALUES;\nINSERT INTO nothing DEFAULT VALUES",
    tables: ["bag", "nothing"],
  },
  {
    title: "tables of which one inherits from the other",
    up: "CREATE TABLE parent (id int);\nCREATE TABLE child (extra int) INHERITS (parent);",
    down: "DROP TABLE child;\nDROP TABLE parent;",
    rows: "INSERT INTO parent VALUES (1);\nINSERT INTO child VALUES (2, 3)",
    tables: ["parent", "child"],
  },
  {
    title: "a table whose triggers would change or refuse what comes in",
    up: "CREATE TABLE stamped (id int PRIMARY KEY, at timestamptz);\nCREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at := now(); RETURN NEW; END $$;\nCREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON stamped FOR EACH ROW EXECUTE FUNCTION stamp();",
    down: "DROP TABLE stamped;\nDROP FUNCTION stamp;",
    rows: "ALTER TABLE stamped DISABLE TRIGGER stamp;\nINSERT INTO stamped VALUES (1, '2020-01-01');\nALTER TABLE stamped ENABLE TRIGGER stamp",
    tables: ["stamped"],
  },
  {
    title: "a check whose function looks for a table on the usual path",
    up: "CREATE FUNCTION is_kept(i int) RETURNS boolean LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM kept WHERE id = i)';\nCREATE TABLE c (id int PRIMARY KEY CHECK (is_kept(id)));",
    down: "DROP TABLE c;\nDROP FUNCTION is_kept;",
    rows: "INSERT INTO kept VALUES (1);\nINSERT INTO c VALUES (1)",
    tables: ["c"],
  },
  {
    title: "a column of a table that stays",
    up: "ALTER TABLE kept ADD COLUMN price numeric(10, 2);",
    down: "ALTER TABLE kept DROP COLUMN price;",
    rows: "INSERT INTO kept (id, note, price) VALUES (1, 'a', 9.90), (2, 'b', NULL), (3, 'c', 0)",
    tables: ["kept"],
  },
  {
    title: "columns with defaults, and NULL where a default would come",
    up: "ALTER TABLE kept ADD COLUMN rank int DEFAULT 0, ADD COLUMN tags text[] DEFAULT '{}'::text[];",
    down: "ALTER TABLE kept DROP COLUMN rank, DROP COLUMN tags;",
    rows: "INSERT INTO kept (id, rank, tags) VALUES (1, 5, '{a}'), (2, NULL, NULL), (3, 0, '{}')",
    tables: ["kept"],
  },
  {
    title: "columns that CASCADE takes along with their type, beside generated and identity ones",
    up: "CREATE TYPE mood AS ENUM ('ok');\nALTER TABLE kept ADD COLUMN mood mood, ADD COLUMN twice text GENERATED ALWAYS AS (note || note) STORED, ADD COLUMN nr int GENERATED ALWAYS AS IDENTITY;",
    down: "DROP TYPE mood CASCADE;\nALTER TABLE kept DROP COLUMN twice, DROP COLUMN nr;",
    rows: "INSERT INTO kept (id, note, mood, nr) OVERRIDING SYSTEM VALUE VALUES (1, 'a', 'ok', 70), (2, 'b', NULL, 71)",
    tables: ["kept"],
  },
];

test.each(titled(CASES))("round trip: %s", async (_, { up, down, rows, tables, order }) => {
  const place = await migratedPlace(last(up, down));
  await place.sql.unsafe(rows);
  const catalog =
    await place.sql`select conname, condeferrable from pg_constraint where contype = 'f' order by 1`;
  const { restored } = await expectRoundTrip(place, ...tables);
  if (order !== undefined) expect(restored.map(({ table }) => table)).toEqual(order);
  expect(
    await place.sql`select conname, condeferrable from pg_constraint where contype = 'f' order by 1`,
  ).toEqual(catalog);
  expect(await place.sql`select tgname from pg_trigger where not tgisinternal and tgenabled <> 'O'`).toEqual(
    [],
  );
  expect(
    await place.sql`select attname from pg_attribute where attidentity = 'd' and attrelid >= 16384`,
  ).toEqual([]);
});

test("round trip: a column of a partitioned table, by a unique key where there is no primary one", async () => {
  const place = await migratedPlace([
    {
      tag: "0000_p",
      sql: "CREATE TABLE p (id int NOT NULL UNIQUE) PARTITION BY LIST (id);\nCREATE TABLE p_1 PARTITION OF p DEFAULT;",
    },
    { tag: "0001_note", sql: "ALTER TABLE p ADD COLUMN note text;", down: "ALTER TABLE p DROP COLUMN note;" },
  ]);
  await place.sql`insert into p values (1, 'a'), (2, null)`;
  await expectRoundTrip(place, "p");
});

test("identity and serial go on where they were, also above numbers that were given and gone", async () => {
  const place = await migratedPlace(
    last(
      "CREATE TABLE n (a int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, b bigserial, c int GENERATED BY DEFAULT AS IDENTITY (INCREMENT -1), d serial);",
      "DROP TABLE n;",
    ),
  );
  await place.sql`insert into n (d) select 500 from generate_series(1, 9)`;
  await place.sql`delete from n where a > 7`;
  await expectRoundTrip(place, "n");
  await place.sql`insert into n default values`;
  // Of d no number was taken from its sequence; 500 was given.
  expect(await place.sql`select a, b, c, d from n order by a desc limit 1`).toEqual([
    { a: 10, b: "10", c: -10, d: 501 },
  ]);
});

test("of several migrations each has a backup, and restored in the order that is printed they give all back", async () => {
  const place = await migratedPlace(THREE);
  await place.sql`insert into author values (1, 'Ann', '2000-01-01'), (2, 'Bob', null)`;
  await place.sql`insert into book values (1, 1)`;
  const before = await readRows(place.sql, "author", "book");
  const { stdout, exitCode } = await runCli([
    ...["rollback", ...place.args, "--steps", "3", "--allow-data-loss", "--backup-folder", place.backups],
  ]);
  expect(exitCode).toBe(0);
  const commands = stdout.split("\n").filter((line) => line.startsWith("  migrator restore "));
  expect(commands.map((line) => THREE.findIndex(({ tag }) => line.endsWith(tag)))).toEqual([0, 1, 2]);
  await migrate(place.input);
  for (const command of commands) {
    const folder = command.trim().split(" ")[2] ?? "";
    expect(await runCli(["restore", folder, ...place.args])).toMatchObject({ exitCode: 0 });
  }
  expect(await readRows(place.sql, "author", "book")).toEqual(before);
});

test("rows that came since stay, rows that are the same are left, and a second restore changes nothing", async () => {
  const place = await migratedPlace(last("CREATE TABLE t (id int PRIMARY KEY, x json);", "DROP TABLE t;"));
  await place.sql`insert into t values (1, '{"a":1}'), (2, null)`;
  const folder = await saveAndDrop(place);
  await migrate(place.input);
  await place.sql`insert into t values (1, '{"a":1}'), (3, '{}')`;
  expect((await putBack(place, folder)).restored).toMatchObject([{ rows: 1, alreadyThere: 1 }]);
  expect(await place.sql`select id from t order by id`).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
  expect((await putBack(place, folder)).restored).toMatchObject([{ rows: 0, alreadyThere: 2 }]);
});

describe("what does not fit is refused, and nothing is put back", () => {
  const TABLE = "CREATE TABLE t (id int PRIMARY KEY, kept_id int REFERENCES kept, price numeric(10, 2));";
  const COLUMN = "ALTER TABLE kept ADD COLUMN rank int DEFAULT 0;";
  const ofTable = { sql: TABLE, down: "DROP TABLE t;" };
  const ofColumn = { sql: COLUMN, down: "ALTER TABLE kept DROP COLUMN rank;" };

  interface Refusal {
    readonly title: string;
    readonly what: typeof ofTable;
    /** Done after migrating again. */
    readonly change: string;
    readonly code: string;
    readonly says: string | RegExp;
  }

  const REFUSALS: readonly Refusal[] = [
    {
      title: "a table that is gone",
      what: ofTable,
      change: "DROP TABLE t",
      code: "does-not-fit",
      says: "table public.t is not there",
    },
    {
      title: "a table that is a view now",
      what: ofTable,
      change: "DROP TABLE t; CREATE VIEW t AS SELECT 1 AS id",
      code: "does-not-fit",
      says: "table public.t is not a table any more",
    },
    {
      title: "a column that is gone",
      what: ofTable,
      change: "ALTER TABLE t DROP COLUMN price",
      code: "does-not-fit",
      says: "column public.t.price is not there",
    },
    {
      title: "a type that is narrower",
      what: ofTable,
      change: "ALTER TABLE t ALTER price TYPE numeric(10, 1)",
      code: "does-not-fit",
      says: "column public.t.price was numeric(10,2) and is numeric(10,1) now, which might not hold every value",
    },
    {
      title: "a type that is another",
      what: ofTable,
      change: "ALTER TABLE t ALTER price TYPE date USING NULL",
      code: "does-not-fit",
      says: /price was numeric\(10,2\) and is date now/,
    },
    {
      title: "a column that is generated now",
      what: ofTable,
      change: "ALTER TABLE t DROP COLUMN price, ADD COLUMN price int GENERATED ALWAYS AS (id) STORED",
      code: "does-not-fit",
      says: "column public.t.price is generated now",
    },
    {
      title: "a new column that must be given",
      what: ofTable,
      change: "ALTER TABLE t ADD COLUMN must int NOT NULL",
      code: "does-not-fit",
      says: "column public.t.must takes no NULL and has no default, and the backup has no such column",
    },
    {
      title: "a row that it refers to, which is gone",
      what: ofTable,
      change: "DELETE FROM kept WHERE id = 1",
      code: "does-not-fit",
      says: /violates foreign key constraint "t_kept_id_fkey"/,
    },
    {
      title: "another row with the same key",
      what: ofTable,
      change: "INSERT INTO t VALUES (1, 1, 5)",
      code: "rows-in-the-way",
      says: /1 of them with the key of a saved row and other values \(id = 1, for one\)/,
    },
    {
      title: "another row with the same unique value",
      what: ofTable,
      change: "CREATE UNIQUE INDEX t_kept ON t (kept_id); INSERT INTO t VALUES (9, 1, 5)",
      code: "rows-in-the-way",
      says: /duplicate key value violates unique constraint/,
    },
    {
      title: "rows in a table that has no key now",
      what: ofTable,
      change: "ALTER TABLE t DROP CONSTRAINT t_pkey; INSERT INTO t VALUES (9)",
      code: "rows-in-the-way",
      says: /it has no primary key/,
    },
    {
      title: "a check that the rows do not pass",
      what: ofTable,
      change: "ALTER TABLE t ADD CHECK (price > 100)",
      code: "restore-failed",
      says: /violates check constraint/,
    },
    {
      title: "a value that came since",
      what: ofColumn,
      change: "UPDATE kept SET rank = 99 WHERE id = 1",
      code: "rows-in-the-way",
      says: /1 rows of public.kept have other values in rank now/,
    },
    {
      title: "a row that is gone",
      what: ofColumn,
      change: "DELETE FROM kept WHERE id = 2",
      code: "rows-missing",
      says: /1 rows of public.kept whose values were saved are not there/,
    },
    {
      title: "a key that is gone",
      what: ofColumn,
      change: "ALTER TABLE kept DROP COLUMN id CASCADE",
      code: "does-not-fit",
      says: "column public.kept.id is not there",
    },
  ];

  test.each(titled(REFUSALS))("%s", async (_, { what, change, code, says }) => {
    const place = await migratedPlace([BASE, { tag: "0001_last", ...what }]);
    await place.sql`insert into kept (id) values (1), (2)`;
    await place.sql.unsafe(
      what === ofTable ? "insert into t values (1, 1, 1.25), (2, 2, null)" : "update kept set rank = id * 10",
    );
    const folder = await saveAndDrop(place);
    await migrate(place.input);
    await place.sql.unsafe(change);
    const tables =
      code === "does-not-fit" && change.startsWith("DROP") ? ["kept"] : what === ofTable ? ["t"] : ["kept"];
    const before = await readRows(place.sql, ...tables);
    const error = await failureOf(putBack(place, folder));
    expect(error).toMatchObject({ code, state: "nothing was put back", fix: expect.any(String) });
    expect([error.message, ...error.details].join("\n")).toEqual(
      typeof says === "string" ? expect.stringContaining(says) : expect.stringMatching(says),
    );
    expect(await readRows(place.sql, ...tables)).toEqual(before);
  });

  test.each(
    titled([
      {
        title: "--overwrite puts saved values over later ones",
        change: "UPDATE kept SET rank = 99",
        options: { overwrite: true },
        ranks: [10, 20],
      },
      {
        title: "--skip-missing leaves out values of rows that are gone",
        change: "DELETE FROM kept WHERE id = 2",
        options: { skipMissing: true },
        ranks: [10],
      },
    ]),
  )("%s", async (_, { change, options, ranks }) => {
    const place = await migratedPlace([BASE, { tag: "0001_last", ...ofColumn }]);
    await place.sql`insert into kept (id, rank) values (1, 10), (2, 20)`;
    const folder = await saveAndDrop(place);
    await migrate(place.input);
    await place.sql.unsafe(change);
    await putBack(place, folder, options);
    const rows = await place.sql<{ rank: number }[]>`select rank from kept order by id`;
    expect(rows.map(({ rank }) => rank)).toEqual(ranks);
  });

  test("a wider type, and columns in another order, take the rows", async () => {
    const place = await migratedPlace([BASE, { tag: "0001_last", ...ofTable }]);
    await place.sql`insert into t values (1, null, 1.25)`;
    const folder = await saveAndDrop(place);
    await migrate(place.input);
    await place.sql.unsafe(
      "DROP TABLE t; CREATE TABLE t (price numeric(12, 4), more text DEFAULT 'x', kept_id text, id bigint PRIMARY KEY)",
    );
    await putBack(place, folder);
    expect(await place.sql`select * from t`).toEqual([
      { price: "1.2500", more: "x", kept_id: null, id: "1" },
    ]);
  });

  test("a migration that is not applied, and another database unless it is named", async () => {
    const place = await migratedPlace([BASE, { tag: "0001_last", ...ofTable }]);
    await place.sql`insert into t values (1, null, 1.25)`;
    const folder = await saveAndDrop(place);
    expect(await failureOf(putBack(place, folder))).toMatchObject({
      code: "not-applied",
      fix: "apply it first: migrator migrate",
    });
    const other = await migratedPlace([BASE, { tag: "0001_last", ...ofTable }]);
    expect(await failureOf(putBack(other, folder))).toMatchObject({ code: "other-database" });
    await putBack(other, folder, { confirm: other.database.name });
    expect(await other.sql`select id from t`).toEqual([{ id: 1 }]);
    const foreign = await migratedPlace([BASE]);
    expect(await failureOf(putBack(foreign, folder, { confirm: foreign.database.name }))).toMatchObject({
      code: "not-applied",
      message: expect.stringContaining("this folder has no such migration"),
    });
  });
});

test("the owner of the tables needs no other right: no superuser, circles and triggers included", async () => {
  const place = await migratedPlace([BASE]);
  const role = await createTestRole();
  const to = quoted(role.name);
  await place.sql.unsafe(
    `grant create on database ${quoted(place.database.name)} to ${to}; grant usage, create on schema public to ${to};
    grant usage, create on schema drizzle to ${to}; grant all on all tables in schema drizzle to ${to}; grant usage on all sequences in schema drizzle to ${to}`,
  );
  const circle = CASES.find(({ title }) => title.includes("circle"));
  await writeMigrations(place.input.migrations, last(circle?.up ?? "", circle?.down ?? ""));
  const own = { ...place, input: { ...place.input, url: role.urlOf(place.database) } };
  await migrate(own.input);
  await place.sql.unsafe(circle?.rows ?? "");
  await expectRoundTrip(own, "a", "b");
});
