/** A change made behind the migrations' back. */
export interface Change {
  readonly name: string;
  readonly sql: string;
  /** What the migrations make besides BASE_SCHEMA. */
  readonly given?: string;
  /** All differences: `missing table book_tag`. */
  readonly finds: readonly string[];
  /** Of all remedies together; true where not given. */
  readonly safe?: boolean;
  /** Of any remedy; false where not given. */
  readonly losesData?: boolean;
  /** Lowest major version of the server that knows the SQL. */
  readonly since?: number;
  /** Only seen where privileges count. */
  readonly privileges?: boolean;
  /** Why nobody knows how to put it right. */
  readonly hopeless?: { readonly reason: string };
  /** All statements of all remedies, where they count. */
  readonly sqls?: readonly string[];
  /** Part of the sentence. */
  readonly says?: string;
}

const LONG = "abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz_abcdefghi";
const ODD = `"Odd ""Names"""."Tëst Táble"`;
const ODD_NAME = `"Odd ""Names"""."Tëst Táble"`;

const INHERITANCE = `CREATE TABLE parent (a integer CONSTRAINT positive_a CHECK (a > 0), b text NOT NULL DEFAULT 'x');
  CREATE TABLE child (z integer) INHERITS (parent); CREATE INDEX child_a_idx ON child (a);
  CREATE TABLE other_child () INHERITS (parent); ALTER TABLE other_child ALTER b SET DEFAULT 'y';
  CREATE TABLE single (a integer CONSTRAINT positive_a CHECK (a > 0), b text NOT NULL DEFAULT 'x', z integer);
  CREATE VIEW single_view AS SELECT a FROM single`;

/** Single changes to BASE_SCHEMA, over every kind of object. */
export const CHANGES: readonly Change[] = [
  // Columns
  {
    name: "a dropped column",
    sql: "ALTER TABLE author DROP COLUMN payload",
    finds: ["missing column author.payload"],
  },
  {
    name: "a dropped column that is NOT NULL and has no default",
    sql: "ALTER TABLE book_tag DROP COLUMN tag CASCADE",
    finds: [
      "missing column book_tag.tag",
      "missing primary key book_tag.book_tag_pkey",
      "missing rule book_tag.book_quiet",
    ],
    safe: false,
  },
  {
    name: "a dropped identity column",
    sql: "ALTER TABLE author DROP COLUMN id CASCADE; CREATE VIEW author_names WITH (security_barrier = true) AS SELECT 1::bigint AS id, name FROM author",
    finds: [
      "changed view author_names",
      "missing column author.id",
      "missing foreign key book.book_author_fk",
      "missing index author_recent_idx",
      "missing primary key author.author_pkey",
      "missing view book_list",
    ],
  },
  {
    name: "an added column",
    sql: "ALTER TABLE author ADD COLUMN extra text",
    finds: ["extra column author.extra"],
    losesData: true,
  },
  {
    name: "a renamed column",
    sql: "ALTER TABLE audit.event RENAME COLUMN note TO remark",
    finds: ["extra column audit.event.remark", "missing column audit.event.note"],
    losesData: true,
  },
  {
    name: "an added attribute",
    sql: "ALTER TYPE address ADD ATTRIBUTE city text",
    finds: ["extra attribute address.city"],
    losesData: true,
  },
  {
    name: "another type",
    sql: "ALTER TABLE book ALTER COLUMN pages TYPE integer",
    finds: ["changed column book.pages"],
    safe: false,
    says: "has the type integer; the migrations say bigint",
    sqls: ['ALTER TABLE "public"."book" ALTER COLUMN "pages" TYPE bigint USING "pages"::bigint'],
  },
  {
    name: "a type with a default of its own text",
    sql: "ALTER TABLE reading ALTER COLUMN value TYPE numeric",
    finds: ["changed column reading.value"],
    safe: false,
    losesData: true,
  },
  {
    name: "a wider type whose values are cut back",
    sql: "ALTER TABLE book ALTER COLUMN blurb TYPE varchar(200)",
    finds: ["changed column book.blurb"],
  },
  {
    name: "NULL let in",
    sql: "ALTER TABLE book ALTER COLUMN title DROP NOT NULL",
    finds: ["changed column book.title"],
    says: "takes NULL",
  },
  {
    name: "NULL kept out",
    sql: "ALTER TABLE book ALTER COLUMN price SET NOT NULL",
    finds: ["changed column book.price"],
  },
  {
    name: "a column in another collation",
    sql: `ALTER TABLE author ALTER COLUMN code TYPE text COLLATE "POSIX"`,
    finds: ["changed column author.code"],
    safe: false,
  },
  {
    name: "a column that lost its collation",
    sql: `ALTER TABLE author ALTER COLUMN code TYPE text`,
    finds: ["changed column author.code"],
    safe: false,
  },
  {
    name: "a generated column that became plain",
    sql: "ALTER TABLE author ALTER COLUMN full_name DROP EXPRESSION",
    finds: ["changed column author.full_name"],
    safe: false,
    losesData: true,
  },
  {
    name: "another generated expression",
    sql: "ALTER TABLE author DROP COLUMN full_name; ALTER TABLE author ADD COLUMN full_name text GENERATED ALWAYS AS (lower(name)) STORED",
    finds: ["changed column author.full_name"],
    safe: false,
  },
  {
    name: "a plain column that became generated",
    sql: "ALTER TABLE book DROP COLUMN isbn; ALTER TABLE book ADD COLUMN isbn text GENERATED ALWAYS AS (title || 'x') STORED; ALTER TABLE book ADD CONSTRAINT book_isbn_key UNIQUE (isbn) DEFERRABLE INITIALLY DEFERRED",
    finds: ["changed column book.isbn"],
  },
  {
    name: "identity ALWAYS",
    sql: "ALTER TABLE author ALTER COLUMN id SET GENERATED ALWAYS",
    finds: ["changed column author.id"],
  },
  {
    name: "another identity increment",
    sql: "ALTER TABLE author ALTER COLUMN id SET INCREMENT BY 7 SET CYCLE",
    finds: ["changed column author.id"],
    says: "is CYCLE; the migrations say NO CYCLE; it has the INCREMENT 7; the migrations say 2",
  },
  {
    name: "identity gone",
    sql: "ALTER TABLE author ALTER COLUMN id DROP IDENTITY",
    finds: ["changed column author.id"],
  },
  {
    name: "a changed quoted column",
    sql: `ALTER TABLE ${ODD} ALTER COLUMN "Select" DROP NOT NULL`,
    finds: [`changed column ${ODD_NAME}.Select`],
  },
  {
    name: "a type below a view",
    sql: `DROP VIEW book_list; ALTER TABLE book ALTER COLUMN title TYPE varchar(300);
      CREATE VIEW book_list AS SELECT b.id, b.title, a.name AS author FROM book b JOIN author a ON a.id = b.author_id;
      COMMENT ON VIEW book_list IS 'joined'`,
    finds: ["changed column book.title"],
  },
  {
    name: "a type that a generated column is made of",
    sql: `ALTER TABLE price DROP COLUMN gross; ALTER TABLE price ALTER COLUMN net TYPE numeric(10,2);
      ALTER TABLE price ADD COLUMN gross numeric GENERATED ALWAYS AS (net * 1.19) STORED;
      CREATE INDEX price_gross_idx ON price (gross); ALTER TABLE price ALTER COLUMN gross SET STATISTICS 50`,
    finds: ["changed column price.net"],
    safe: false,
    losesData: true,
  },
  {
    name: "a partition with other bounds",
    sql: `ALTER TABLE reading DETACH PARTITION reading_2025;
      ALTER TABLE reading ATTACH PARTITION reading_2025 FOR VALUES FROM ('2025-01-01') TO ('2025-07-01')`,
    finds: ["changed partition reading_2025"],
    safe: false,
  },
  // Defaults
  {
    name: "a changed default",
    sql: "ALTER TABLE author ALTER COLUMN score SET DEFAULT 1",
    finds: ["changed default author.score"],
    says: "column `author.score` has the default 1; the migrations say 0",
  },
  {
    name: "a dropped default",
    sql: "ALTER TABLE author ALTER COLUMN mood DROP DEFAULT",
    finds: ["missing default author.mood"],
    says: "column `author.mood` has no default; the migrations say 'ok'::public.mood",
  },
  {
    name: "an added default",
    sql: "ALTER TABLE author ALTER COLUMN born SET DEFAULT CURRENT_DATE",
    finds: ["extra default author.born"],
  },
  {
    name: "a default under a name of 63 bytes",
    sql: `ALTER TABLE ${LONG} ALTER COLUMN ${LONG} SET DEFAULT 2`,
    finds: [`changed default ${LONG}.${LONG}`],
  },
  {
    name: "a default in a quoted column",
    sql: `ALTER TABLE ${ODD} ALTER COLUMN "q""uote" SET DEFAULT 'it''s'`,
    finds: [`extra default ${ODD_NAME}."q""uote"`],
  },
  {
    name: "a default of one partition",
    sql: "ALTER TABLE reading_2024 ALTER COLUMN value SET DEFAULT 5",
    finds: ["extra default reading_2024.value"],
  },
  // Tables
  { name: "a dropped table", sql: "DROP TABLE book_tag", finds: ["missing table book_tag"] },
  {
    name: "an added table",
    sql: "CREATE TABLE extra (id serial PRIMARY KEY, n integer CHECK (n > 0)); CREATE INDEX ON extra (n)",
    finds: ["extra table extra"],
    losesData: true,
  },
  {
    name: "a dropped table that others point to",
    sql: "DROP TABLE book CASCADE",
    finds: [
      "missing foreign key book_tag.book_tag_book_id_fkey",
      "missing table book",
      "missing view book_list",
    ],
  },
  { name: "a dropped table of odd names", sql: `DROP TABLE ${ODD}`, finds: [`missing table ${ODD_NAME}`] },
  {
    name: "a logged table",
    sql: "ALTER TABLE audit.cache SET LOGGED",
    finds: ["changed table audit.cache"],
    safe: false,
  },
  {
    name: "other storage parameters",
    sql: "ALTER TABLE author SET (fillfactor = 70)",
    finds: ["changed table author"],
  },
  {
    name: "no storage parameters",
    sql: "ALTER TABLE author RESET (fillfactor)",
    finds: ["changed table author"],
  },
  {
    name: "other toast parameters",
    sql: "ALTER TABLE author RESET (toast.autovacuum_enabled)",
    finds: ["missing toast options author"],
  },
  {
    name: "a replica identity",
    sql: "ALTER TABLE book REPLICA IDENTITY FULL",
    finds: ["changed table book"],
  },
  {
    name: "a replica identity by index",
    sql: "ALTER TABLE audit.event REPLICA IDENTITY USING INDEX event_pkey",
    finds: ["changed table audit.event"],
  },
  {
    name: "a clustered table",
    sql: "ALTER TABLE author CLUSTER ON author_name_idx",
    finds: ["extra cluster author"],
  },
  // Column settings
  {
    name: "another statistics target",
    sql: "ALTER TABLE author ALTER COLUMN name SET STATISTICS 100",
    finds: ["changed statistics target author.name"],
  },
  {
    name: "no statistics target",
    sql: "ALTER TABLE author ALTER COLUMN name SET STATISTICS -1",
    finds: ["missing statistics target author.name"],
  },
  {
    name: "a statistics target of an index expression",
    sql: "ALTER INDEX author_lower_email_idx ALTER COLUMN 1 SET STATISTICS -1",
    finds: ["missing statistics target author_lower_email_idx"],
  },
  {
    name: "another storage",
    sql: "ALTER TABLE author ALTER COLUMN payload SET STORAGE MAIN",
    finds: ["changed storage author.payload"],
  },
  {
    name: "a column option",
    sql: "ALTER TABLE author ALTER COLUMN name SET (n_distinct = 100)",
    finds: ["extra column options author.name"],
  },
  // Statistics objects
  {
    name: "a dropped statistics object",
    sql: "DROP STATISTICS author_stats",
    finds: ["missing statistics object author_stats"],
  },
  {
    name: "an added statistics object",
    sql: "CREATE STATISTICS more ON id, name FROM author",
    finds: ["extra statistics object more"],
  },
  {
    name: "another statistics object",
    sql: "DROP STATISTICS author_expression; CREATE STATISTICS author_expression ON upper(name) FROM author",
    finds: ["changed statistics object author_expression"],
  },
  {
    name: "a statistics object's target",
    sql: "ALTER STATISTICS author_stats SET STATISTICS 50",
    finds: ["changed statistics object author_stats"],
  },
  // Constraints
  {
    name: "another CHECK body",
    sql: "ALTER TABLE author DROP CONSTRAINT author_score_check; ALTER TABLE author ADD CONSTRAINT author_score_check CHECK (score >= -1)",
    finds: ["changed check author.author_score_check"],
  },
  {
    name: "a dropped CHECK",
    sql: "ALTER TABLE author DROP CONSTRAINT author_born_check",
    finds: ["missing check author.author_born_check"],
  },
  {
    name: "an added CHECK",
    sql: "ALTER TABLE book ADD CONSTRAINT more CHECK (title <> '')",
    finds: ["extra check book.more"],
  },
  {
    name: "a CHECK of odd names",
    sql: `ALTER TABLE ${ODD} DROP CONSTRAINT "Odd Check"`,
    finds: [`missing check ${ODD_NAME}."Odd Check"`],
  },
  {
    name: "a CHECK that is NOT VALID",
    sql: "ALTER TABLE author DROP CONSTRAINT author_score_check; ALTER TABLE author ADD CONSTRAINT author_score_check CHECK (score >= 0) NOT VALID",
    finds: ["changed check author.author_score_check"],
    says: "NOT VALID",
  },
  {
    name: "another ON DELETE",
    sql: "ALTER TABLE book DROP CONSTRAINT book_author_fk; ALTER TABLE book ADD CONSTRAINT book_author_fk FOREIGN KEY (author_id) REFERENCES author",
    finds: ["changed foreign key book.book_author_fk"],
  },
  {
    name: "a deferrable foreign key",
    sql: "ALTER TABLE book ALTER CONSTRAINT book_author_fk DEFERRABLE INITIALLY DEFERRED",
    finds: ["changed foreign key book.book_author_fk"],
  },
  {
    name: "a foreign key that is NOT VALID",
    sql: "ALTER TABLE book DROP CONSTRAINT book_author_fk; ALTER TABLE book ADD CONSTRAINT book_author_fk FOREIGN KEY (author_id) REFERENCES author ON DELETE CASCADE NOT VALID",
    finds: ["changed foreign key book.book_author_fk"],
  },
  {
    name: "a dropped foreign key",
    sql: "ALTER TABLE book_tag DROP CONSTRAINT book_tag_book_id_fkey",
    finds: ["missing foreign key book_tag.book_tag_book_id_fkey"],
  },
  {
    name: "a foreign key that nobody enforces",
    sql: "ALTER TABLE book_tag DISABLE TRIGGER ALL",
    finds: ["extra enforcement book_tag.book_tag_book_id_fkey"],
  },
  {
    name: "a dropped unique constraint",
    sql: "ALTER TABLE author DROP CONSTRAINT author_email_unique",
    finds: ["missing unique constraint author.author_email_unique"],
  },
  {
    name: "a unique constraint that is not deferred",
    sql: "ALTER TABLE book DROP CONSTRAINT book_isbn_key; ALTER TABLE book ADD CONSTRAINT book_isbn_key UNIQUE (isbn)",
    finds: ["changed unique constraint book.book_isbn_key"],
  },
  {
    name: "NULLS NOT DISTINCT",
    sql: "ALTER TABLE author DROP CONSTRAINT author_email_unique; ALTER TABLE author ADD CONSTRAINT author_email_unique UNIQUE NULLS NOT DISTINCT (email)",
    finds: ["changed unique constraint author.author_email_unique"],
    since: 15,
  },
  {
    name: "a dropped primary key",
    sql: "ALTER TABLE audit.cache DROP CONSTRAINT cache_pkey",
    finds: ["missing primary key audit.cache.cache_pkey"],
  },
  {
    name: "another primary key",
    sql: "ALTER TABLE book_tag DROP CONSTRAINT book_tag_pkey; ALTER TABLE book_tag ADD PRIMARY KEY (tag, book_id)",
    finds: ["changed primary key book_tag.book_tag_pkey"],
  },
  {
    name: "a dropped exclusion constraint",
    sql: "ALTER TABLE book DROP CONSTRAINT book_during_excl",
    finds: ["missing exclusion constraint book.book_during_excl"],
    safe: false,
  },
  // Indexes
  { name: "a dropped index", sql: "DROP INDEX author_name_idx", finds: ["missing index author_name_idx"] },
  { name: "an added index", sql: "CREATE INDEX more ON author (born)", finds: ["extra index more"] },
  {
    name: "another predicate",
    sql: "DROP INDEX author_scored_idx; CREATE INDEX author_scored_idx ON author (score) INCLUDE (name) WHERE score > 20",
    finds: ["changed index author_scored_idx"],
  },
  {
    name: "another index expression",
    sql: "DROP INDEX author_recent_idx; CREATE INDEX author_recent_idx ON author (created_at DESC NULLS LAST, upper(name), id)",
    finds: ["changed index author_recent_idx"],
  },
  {
    name: "another order of NULLs",
    sql: "DROP INDEX author_recent_idx; CREATE INDEX author_recent_idx ON author (created_at DESC, lower(name), id)",
    finds: ["changed index author_recent_idx"],
  },
  {
    name: "another operator class",
    sql: "DROP INDEX author_code_idx; CREATE INDEX author_code_idx ON author (code) WITH (fillfactor = 80)",
    finds: ["changed index author_code_idx"],
  },
  {
    name: "no INCLUDE",
    sql: "DROP INDEX author_scored_idx; CREATE INDEX author_scored_idx ON author (score) WHERE score > 10",
    finds: ["changed index author_scored_idx"],
  },
  {
    name: "another access method of an index",
    sql: "DROP INDEX author_name_idx; CREATE INDEX author_name_idx ON author USING hash (name)",
    finds: ["changed index author_name_idx"],
  },
  {
    name: "an index that became unique",
    sql: "DROP INDEX author_name_idx; CREATE UNIQUE INDEX author_name_idx ON author (name)",
    finds: ["changed index author_name_idx"],
  },
  {
    name: "an index's fillfactor",
    sql: "ALTER INDEX author_code_idx SET (fillfactor = 60)",
    finds: ["changed index author_code_idx"],
  },
  {
    name: "an INVALID index",
    sql: "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'author_name_idx'::regclass",
    finds: ["changed index author_name_idx"],
    says: "index `author_name_idx` is INVALID",
  },
  {
    name: "an index of odd names",
    sql: `DROP INDEX "Odd ""Names"""."Ïndex ""x"""`,
    finds: [`missing index "Odd ""Names"""."Ïndex ""x"""`],
  },
  {
    name: "an index of a partitioned table",
    sql: "DROP INDEX reading_sensor_idx",
    finds: ["missing index reading_sensor_idx"],
    safe: false,
  },
  {
    name: "an index of a materialized view",
    sql: "DROP INDEX author_count_idx",
    finds: ["missing index author_count_idx"],
  },
  // Types
  {
    name: "an extra enum value",
    sql: "ALTER TYPE mood ADD VALUE 'elated' AFTER 'happy'",
    finds: ["changed enum mood"],
    safe: false,
    says: "has elated, which the migrations do not",
  },
  {
    name: "a lacking enum value",
    sql: "ALTER TYPE audit.level RENAME TO old; CREATE TYPE audit.level AS ENUM ('high'); DROP POLICY event_read ON audit.event; ALTER TABLE audit.event ALTER COLUMN level TYPE audit.level USING level::text::audit.level; DROP TYPE audit.old; CREATE POLICY event_read ON audit.event FOR SELECT USING (level::text = 'low')",
    finds: ["changed enum audit.level", "changed policy audit.event.event_read"],
  },
  {
    name: "enum values in another order",
    sql: "CREATE TYPE other AS ENUM ('a', 'b'); UPDATE pg_enum SET enumsortorder = 10 WHERE enumlabel = 'sad'",
    finds: ["changed enum mood", "extra enum other"],
    safe: false,
  },
  {
    name: "a renamed enum value",
    sql: "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
    finds: ["changed enum mood"],
  },
  {
    name: "a dropped domain constraint",
    sql: "ALTER DOMAIN positive DROP CONSTRAINT positive_check",
    finds: ["missing check positive.positive_check"],
  },
  {
    name: "a domain's default",
    sql: "ALTER DOMAIN positive SET DEFAULT 2",
    finds: ["changed domain positive"],
  },
  {
    name: "a domain that lets NULL in",
    sql: "ALTER DOMAIN short_text DROP NOT NULL",
    finds: ["changed domain short_text"],
  },
  {
    name: "a dropped attribute",
    sql: "ALTER TYPE address DROP ATTRIBUTE zip",
    finds: ["missing attribute address.zip"],
  },
  { name: "a dropped range type", sql: "DROP TYPE span", finds: ["missing range type span"] },
  // Sequences
  {
    name: "another increment",
    sql: "ALTER SEQUENCE ticket AS bigint INCREMENT 10 MAXVALUE 900 NO CYCLE",
    finds: ["changed sequence ticket"],
    says: "is NO CYCLE; the migrations say CYCLE; it has the type bigint; the migrations say integer; it has the INCREMENT 10; the migrations say 5; it has the MAXVALUE 900; the migrations say 1000",
  },
  { name: "a dropped sequence", sql: "DROP SEQUENCE ticket", finds: ["missing sequence ticket"] },
  { name: "an added sequence", sql: "CREATE SEQUENCE more", finds: ["extra sequence more"] },
  {
    name: "a sequence that nobody owns",
    sql: "ALTER SEQUENCE book_id_seq OWNED BY NONE",
    finds: ["changed sequence book_id_seq"],
  },
  // Views
  {
    name: "another view",
    sql: "CREATE OR REPLACE VIEW author_names WITH (security_barrier = true) AS SELECT author.id, author.name FROM author WHERE author.score > 2",
    finds: ["changed view author_names"],
  },
  {
    name: "a view with another column",
    sql: "CREATE OR REPLACE VIEW book_list AS SELECT b.id, b.title, a.name AS author, b.price FROM book b JOIN author a ON a.id = b.author_id",
    finds: ["changed view book_list"],
  },
  {
    name: "a view's options",
    sql: "ALTER VIEW author_names RESET (security_barrier)",
    finds: ["changed view author_names"],
  },
  { name: "a dropped view", sql: "DROP VIEW author_names", finds: ["missing view author_names"] },
  {
    name: "another materialized view",
    sql: "DROP MATERIALIZED VIEW author_count; CREATE MATERIALIZED VIEW author_count AS SELECT a.mood, count(a.born) AS n FROM author a GROUP BY a.mood; CREATE UNIQUE INDEX author_count_idx ON author_count (mood)",
    finds: ["changed materialized view author_count"],
  },
  {
    name: "a dropped materialized view",
    sql: "DROP MATERIALIZED VIEW author_count",
    finds: ["missing materialized view author_count"],
  },
  // Routines and triggers
  {
    name: "another function body",
    sql: "CREATE OR REPLACE FUNCTION add_one(value integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT value + 2'",
    finds: ["changed function add_one(integer)"],
  },
  {
    name: "another volatility",
    sql: "ALTER FUNCTION add_one(integer) VOLATILE",
    finds: ["changed function add_one(integer)"],
  },
  {
    name: "an overloaded function",
    sql: "CREATE FUNCTION add_one(value bigint) RETURNS bigint LANGUAGE sql AS 'SELECT value + 1'",
    finds: ["extra function add_one(bigint)"],
  },
  { name: "a dropped procedure", sql: "DROP PROCEDURE forget", finds: ["missing procedure forget(bigint)"] },
  {
    name: "a dropped aggregate",
    sql: "DROP AGGREGATE total(integer)",
    finds: ["missing aggregate total(integer)"],
  },
  {
    name: "a disabled trigger",
    sql: "ALTER TABLE book DISABLE TRIGGER book_touch",
    finds: ["changed trigger book.book_touch"],
  },
  {
    name: "a dropped trigger",
    sql: "DROP TRIGGER book_touch ON book",
    finds: ["missing trigger book.book_touch"],
  },
  {
    name: "a trigger on other events",
    sql: "DROP TRIGGER book_touch ON book; CREATE TRIGGER book_touch BEFORE INSERT ON book FOR EACH ROW EXECUTE FUNCTION touch()",
    finds: ["changed trigger book.book_touch"],
  },
  {
    name: "a dropped rule",
    sql: "DROP RULE book_quiet ON book_tag",
    finds: ["missing rule book_tag.book_quiet"],
  },
  // Security
  {
    name: "row level security off",
    sql: "ALTER TABLE audit.event DISABLE ROW LEVEL SECURITY",
    finds: ["changed table audit.event"],
    says: "has row level security disabled",
  },
  {
    name: "row level security forced",
    sql: "ALTER TABLE audit.event FORCE ROW LEVEL SECURITY",
    finds: ["changed table audit.event"],
  },
  {
    name: "another policy",
    sql: "ALTER POLICY event_read ON audit.event USING (true)",
    finds: ["changed policy audit.event.event_read"],
  },
  {
    name: "a policy for another command",
    sql: "DROP POLICY event_read ON audit.event; CREATE POLICY event_read ON audit.event AS RESTRICTIVE FOR UPDATE USING (level = 'low')",
    finds: ["changed policy audit.event.event_read"],
    says: "has the command UPDATE; the migrations say SELECT; it is RESTRICTIVE; the migrations say PERMISSIVE",
  },
  {
    name: "an added policy",
    sql: "CREATE POLICY event_write ON audit.event FOR INSERT WITH CHECK (note <> '')",
    finds: ["extra policy audit.event.event_write"],
  },
  {
    name: "a revoked grant",
    sql: "REVOKE SELECT ON book FROM PUBLIC",
    finds: ["missing privilege book"],
    privileges: true,
  },
  {
    name: "a grant on a column",
    sql: "GRANT UPDATE (title) ON book TO PUBLIC",
    finds: ["extra privilege book.title"],
    privileges: true,
  },
  // Partitions, schemas, extensions, comments
  { name: "a dropped partition", sql: "DROP TABLE reading_2025", finds: ["missing partition reading_2025"] },
  {
    name: "an added partition",
    sql: "CREATE TABLE reading_2026 PARTITION OF reading FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    finds: ["extra partition reading_2026"],
    losesData: true,
  },
  {
    name: "a detached partition",
    sql: "ALTER TABLE reading DETACH PARTITION reading_2025",
    finds: ["changed partition reading_2025"],
    safe: false,
  },
  { name: "a dropped partitioned table", sql: "DROP TABLE reading", finds: ["missing table reading"] },
  { name: "a dropped schema", sql: "DROP SCHEMA audit CASCADE", finds: ["missing schema audit"] },
  {
    name: "an added schema",
    sql: "CREATE SCHEMA more CREATE TABLE t (id serial PRIMARY KEY)",
    finds: ["extra schema more"],
    losesData: true,
  },
  { name: "an added extension", sql: "CREATE EXTENSION hstore", finds: ["extra extension hstore"] },
  { name: "a dropped comment", sql: "COMMENT ON TABLE author IS NULL", finds: ["missing comment author"] },
  {
    name: "another comment",
    sql: "COMMENT ON COLUMN author.name IS 'it''s another'",
    finds: ["changed comment author.name"],
  },
  {
    name: "an added comment",
    sql: "COMMENT ON INDEX author_name_idx IS 'why'",
    finds: ["extra comment author_name_idx"],
  },
  {
    name: "an added cast",
    sql: "CREATE CAST (mood AS integer) WITH INOUT",
    finds: ["extra other cast"],
    hopeless: { reason: "no statement is known that does it" },
  },
  // Names
  {
    name: "a renamed primary key that a foreign key uses",
    sql: "ALTER TABLE book RENAME CONSTRAINT book_pkey TO pk_book",
    finds: ["changed primary key book.book_pkey"],
    says: "primary key `book.book_pkey` is called `book.pk_book`",
  },
  {
    name: "renamed constraints of every kind",
    sql: `ALTER TABLE author RENAME CONSTRAINT author_email_unique TO a; ALTER TABLE author RENAME CONSTRAINT author_born_check TO b;
      ALTER TABLE book RENAME CONSTRAINT book_author_fk TO c; ALTER TABLE book RENAME CONSTRAINT book_during_excl TO d;
      ALTER DOMAIN positive RENAME CONSTRAINT positive_check TO e`,
    finds: [
      "changed check author.author_born_check",
      "changed check positive.positive_check",
      "changed exclusion constraint book.book_during_excl",
      "changed foreign key book.book_author_fk",
      "changed unique constraint author.author_email_unique",
    ],
  },
  {
    name: "a renamed constraint that is NOT VALID too",
    sql: "ALTER TABLE author DROP CONSTRAINT author_score_check; ALTER TABLE author ADD CONSTRAINT more CHECK (score >= 0) NOT VALID",
    finds: ["changed check author.author_score_check", "changed check author.author_score_check"],
  },
  {
    name: "a renamed index",
    sql: 'ALTER INDEX author_lower_email_idx RENAME TO "An Index"',
    finds: ["changed index author_lower_email_idx"],
  },
  {
    name: "a renamed index that a table is clustered on",
    given:
      "ALTER TABLE author CLUSTER ON author_name_idx; ALTER TABLE book_tag REPLICA IDENTITY USING INDEX book_tag_pkey",
    sql: "ALTER INDEX author_name_idx RENAME TO a; ALTER TABLE book_tag RENAME CONSTRAINT book_tag_pkey TO b",
    finds: ["changed index author_name_idx", "changed primary key book_tag.book_tag_pkey"],
  },
  {
    name: "a renamed table that views, foreign keys and statistics point to",
    sql: "ALTER TABLE author RENAME TO writer",
    finds: ["changed table author"],
    says: "table `author` is called `writer`",
  },
  {
    name: "a table renamed to a key word, with its key and its sequence",
    sql: `ALTER TABLE book RENAME TO "order"; ALTER TABLE "order" RENAME CONSTRAINT book_pkey TO order_pkey; ALTER SEQUENCE book_id_seq RENAME TO order_id_seq`,
    finds: ["changed primary key book.book_pkey", "changed sequence book_id_seq", "changed table book"],
  },
  {
    name: "a renamed table with another index",
    sql: "ALTER TABLE book_tag RENAME TO label; CREATE INDEX label_idx ON label (tag)",
    finds: ["changed table book_tag", "extra index label_idx"],
  },
  {
    name: "a renamed table of odd names",
    sql: `ALTER TABLE ${ODD} RENAME TO "a.b"`,
    finds: [`changed table ${ODD_NAME}`],
  },
  {
    name: "a renamed partitioned table and a renamed partition",
    sql: "ALTER TABLE reading RENAME TO r; ALTER TABLE reading_2024 RENAME TO r_2024",
    finds: ["changed partition reading_2024", "changed table reading"],
  },
  {
    name: "a table in another schema",
    sql: "ALTER TABLE book SET SCHEMA audit",
    finds: ["changed table book"],
    says: "table `book` is called `audit.book`",
  },
  {
    name: "an identity column in another schema",
    sql: "ALTER TABLE author SET SCHEMA audit",
    finds: ["changed table author"],
  },
  {
    name: "a renamed sequence",
    sql: "ALTER SEQUENCE ticket RENAME TO number",
    finds: ["changed sequence ticket"],
  },
  {
    name: "a renamed view and a renamed materialized view",
    sql: "ALTER VIEW book_list RENAME TO a; ALTER MATERIALIZED VIEW author_count RENAME TO b",
    finds: ["changed materialized view author_count", "changed view book_list"],
  },
  {
    name: "a renamed enum",
    given:
      "CREATE FUNCTION feel(m mood, n mood[]) RETURNS mood LANGUAGE sql AS 'SELECT m'; COMMENT ON FUNCTION feel IS 'how'",
    sql: "ALTER TYPE mood RENAME TO state",
    finds: ["changed enum mood"],
    says: "enum `mood` is called `state`",
  },
  {
    name: "an enum in another schema",
    sql: "CREATE SCHEMA crm; ALTER TYPE mood SET SCHEMA crm",
    finds: ["changed enum mood", "extra schema crm"],
  },
  {
    name: "a renamed domain and a renamed composite type",
    sql: "ALTER DOMAIN positive RENAME TO natural_number; ALTER TYPE address RENAME TO place",
    finds: ["changed composite type address", "changed domain positive"],
  },
  {
    name: "two tables of one form that might be either",
    given: "CREATE TABLE left_one (a integer); CREATE TABLE right_one (a integer)",
    sql: "ALTER TABLE left_one RENAME TO x; ALTER TABLE right_one RENAME TO y",
    finds: ["extra table x", "extra table y", "missing table left_one", "missing table right_one"],
    losesData: true,
  },
  {
    name: "an enum of another name and with other values",
    sql: `CREATE TYPE state AS ENUM ('sad', 'ok', 'happy', 'more'); DROP MATERIALIZED VIEW author_count; DROP STATISTICS author_stats;
      ALTER TABLE author ALTER mood DROP DEFAULT, ALTER mood TYPE state USING mood::text::state, ALTER mood SET DEFAULT 'ok', ALTER moods DROP DEFAULT,
      ALTER moods TYPE state[] USING moods::text::state[], ALTER moods SET DEFAULT '{ok,happy}'; DROP TYPE mood;
      CREATE STATISTICS author_stats (ndistinct, dependencies) ON mood, born FROM author;
      CREATE MATERIALIZED VIEW author_count AS SELECT a.mood, count(*) AS n FROM author a GROUP BY a.mood;
      CREATE UNIQUE INDEX author_count_idx ON author_count (mood)`,
    finds: [
      "changed column author.mood",
      "changed column author.moods",
      "extra enum state",
      "missing enum mood",
    ],
    safe: false,
    losesData: true,
  },
  // Names that something else holds
  {
    name: "a unique index instead of a unique constraint",
    sql: "ALTER TABLE author DROP CONSTRAINT author_email_unique; CREATE UNIQUE INDEX author_email_unique ON author (email)",
    finds: ["changed unique constraint author.author_email_unique"],
    says: "unique constraint `author.author_email_unique` is an index",
  },
  {
    name: "an index of other columns instead of a unique constraint",
    sql: "ALTER TABLE author DROP CONSTRAINT author_email_unique; CREATE INDEX author_email_unique ON author (email, id)",
    finds: ["changed unique constraint author.author_email_unique"],
  },
  {
    name: "a unique constraint instead of a unique index",
    given: "CREATE UNIQUE INDEX book_title_idx ON book (title)",
    sql: "ALTER TABLE book ADD CONSTRAINT book_title_idx UNIQUE USING INDEX book_title_idx",
    finds: ["changed index book_title_idx"],
  },
  {
    name: "a view instead of a table",
    sql: "DROP TABLE price; CREATE VIEW price AS SELECT 1 AS net",
    finds: ["changed table price"],
  },
  {
    name: "a view instead of a table, below another view",
    given: "CREATE VIEW net AS SELECT net FROM price",
    sql: "DROP TABLE price CASCADE; CREATE VIEW price AS SELECT 1::numeric(8,2) AS net; CREATE VIEW net AS SELECT net FROM price",
    finds: ["changed table price"],
  },
  {
    name: "a table instead of a view",
    sql: "DROP VIEW author_names; CREATE TABLE author_names (id bigint, name text)",
    finds: ["changed view author_names"],
    losesData: true,
  },
  {
    name: "a view instead of a materialized view",
    sql: "DROP MATERIALIZED VIEW author_count; CREATE VIEW author_count AS SELECT a.mood, count(*) AS n FROM author a GROUP BY a.mood",
    finds: ["changed materialized view author_count"],
  },
  {
    name: "a function instead of a procedure, and a procedure instead of a function",
    sql: `DROP PROCEDURE forget; CREATE FUNCTION forget(bigint) RETURNS void LANGUAGE sql AS '';
      DROP FUNCTION add_one; CREATE PROCEDURE add_one(integer) LANGUAGE sql AS ''`,
    finds: ["changed function add_one(integer)", "changed procedure forget(bigint)"],
  },
  {
    name: "an enum instead of a domain",
    sql: "DROP DOMAIN short_text; CREATE TYPE short_text AS ENUM ('a')",
    finds: ["changed domain short_text"],
  },
  {
    name: "a table that holds an index's name",
    sql: "DROP INDEX author_name_idx; CREATE TABLE author_name_idx ()",
    finds: ["changed index author_name_idx"],
    losesData: true,
  },
  {
    name: "an index that holds the name of a missing table's key",
    sql: "DROP TABLE audit.cache; CREATE INDEX cache_pkey ON audit.event (at)",
    finds: ["extra index audit.cache_pkey", "missing table audit.cache"],
  },
  {
    name: "a renamed table with a view of its old name",
    sql: "ALTER TABLE price RENAME TO price_2; CREATE VIEW price AS SELECT * FROM price_2",
    finds: ["changed table price", "extra view price"],
  },
  {
    name: "a domain over another type that a column uses",
    sql: "ALTER TABLE book DROP amount; DROP DOMAIN positive; CREATE DOMAIN positive AS bigint DEFAULT 1 CONSTRAINT positive_check CHECK (VALUE > 0); ALTER TABLE book ADD amount positive",
    finds: ["changed domain positive"],
    hopeless: {
      reason:
        "nothing changes it while other things need it: drop those, put it right, make them again, and check again",
    },
  },
  {
    name: "a longer varchar in a composite type",
    given: "CREATE TYPE place AS (zip varchar(10))",
    sql: "ALTER TYPE place ALTER ATTRIBUTE zip TYPE varchar(20) CASCADE",
    finds: ["changed attribute place.zip"],
    safe: false,
    losesData: true,
  },
  {
    name: "a shorter varchar in a composite type",
    given: "CREATE TYPE place AS (zip varchar(10))",
    sql: "ALTER TYPE place ALTER ATTRIBUTE zip TYPE varchar(5) CASCADE",
    finds: ["changed attribute place.zip"],
  },
  // Publications
  {
    name: "a renamed column that a publication lists",
    given: "CREATE PUBLICATION shop FOR TABLE book (id, blurb)",
    sql: "ALTER TABLE book RENAME blurb TO text",
    finds: ["changed published table book.shop", "extra column book.text", "missing column book.blurb"],
    losesData: true,
    since: 15,
  },
  {
    name: "a renamed column in the filter of a publication",
    given:
      "CREATE PUBLICATION shop FOR TABLE author WHERE (id > 5 AND born IS NULL) WITH (publish = 'insert')",
    sql: "ALTER TABLE author RENAME born TO birth",
    finds: [
      "changed check author.author_born_check",
      "changed published table author.shop",
      "changed statistics object author_stats",
      "extra column author.birth",
      "missing column author.born",
    ],
    losesData: true,
    since: 15,
  },
  {
    name: "a table that is not published",
    given: "CREATE PUBLICATION shop FOR TABLE book, author",
    sql: "ALTER PUBLICATION shop DROP TABLE book",
    finds: ["missing published table book.shop"],
  },
  {
    name: "a published table too many",
    given: "CREATE PUBLICATION shop FOR TABLE book",
    sql: "CREATE TABLE more (a integer); ALTER PUBLICATION shop ADD TABLE more",
    finds: ["extra published table more.shop", "extra table more"],
    losesData: true,
  },
  // Inheritance
  {
    name: "a table that inherits no more",
    given: INHERITANCE,
    sql: "ALTER TABLE child NO INHERIT parent",
    finds: ["changed table child"],
    says: "table `child` has the parent none; the migrations say parent",
  },
  {
    name: "a table that inherits no more and changed otherwise",
    given: INHERITANCE,
    sql: "ALTER TABLE child NO INHERIT parent; ALTER TABLE child ENABLE ROW LEVEL SECURITY; DROP INDEX child_a_idx; ALTER TABLE child DROP COLUMN z",
    finds: ["changed table child", "missing column child.z", "missing index child_a_idx"],
  },
  {
    name: "a table with a default of its own that inherits no more",
    given: INHERITANCE,
    sql: "ALTER TABLE other_child NO INHERIT parent",
    finds: ["changed table other_child", "missing default other_child.b"],
  },
  {
    name: "a table that inherits",
    given: INHERITANCE,
    sql: "ALTER TABLE single INHERIT parent",
    finds: ["changed table single"],
  },
  {
    name: "an extension in another schema",
    given: `CREATE DOMAIN mail AS citext CHECK (VALUE <> ''); CREATE TABLE letter (sender citext DEFAULT 'x', receiver mail);
      CREATE FUNCTION greet(who citext) RETURNS citext LANGUAGE sql AS 'SELECT who'; COMMENT ON FUNCTION greet IS 'hello';
      CREATE VIEW senders AS SELECT sender || 'x'::citext AS text FROM letter WHERE sender <> 'y'`,
    sql: "CREATE SCHEMA crm; ALTER EXTENSION citext SET SCHEMA crm",
    finds: ["changed extension citext", "extra schema crm"],
    says: "extension `citext` has the schema crm; the migrations say public",
  },
  // Where a column's values come from
  {
    name: "an identity instead of a serial column",
    sql: "ALTER TABLE book ALTER id DROP DEFAULT; DROP SEQUENCE book_id_seq; ALTER TABLE book ALTER id ADD GENERATED ALWAYS AS IDENTITY",
    finds: ["changed column book.id"],
  },
  {
    name: "a serial column instead of an identity",
    sql: "ALTER TABLE author ALTER id DROP IDENTITY; CREATE SEQUENCE author_id_seq OWNED BY author.id; ALTER TABLE author ALTER id SET DEFAULT nextval('author_id_seq')",
    finds: ["changed column author.id"],
  },
  {
    name: "a dropped sequence of a serial column",
    sql: "DROP SEQUENCE book_id_seq CASCADE",
    finds: ["missing default book.id", "missing sequence book_id_seq"],
  },
  {
    name: "a renamed sequence of an identity",
    sql: "ALTER SEQUENCE author_id_seq RENAME TO other",
    finds: ["changed column author.id"],
  },
];
