import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestDatabase } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { readSettings } from "../src/config.ts";
import { withUrl } from "../src/database/connect.ts";
import { openFingerprint } from "../src/verify/fingerprint.ts";
import type { Proof } from "../src/verify/proof.ts";
import { prove } from "../src/verify/proof.ts";
import { sideBySide } from "../src/verify/side-by-side.ts";
import { documentOf, errorOf, runCli, startCli } from "./support/cli.ts";
import { failureOf } from "./support/database.ts";
import { BREAKPOINT, type MigrationFiles, makeFolder, THREE } from "./support/folder.ts";
import { titled } from "./support/titled.ts";

const INTERRUPTED =
  "error interrupted: <what> was interrupted\nstate: nothing was changed; the scratch databases are removed\nfix: run again\n";

const NOBODY = new AbortController().signal;

/** Proves a folder on scratch databases beside a test database. */
async function proofsOf(migrations: readonly MigrationFiles[], options = {}): Promise<readonly Proof[]> {
  const { url } = await createTestDatabase();
  const settings = await readSettings({ migrations: await makeFolder(migrations), url });
  return (await prove(settings, url, options, NOBODY)).migrations;
}

const FIRST: MigrationFiles = {
  tag: "0000_first",
  sql: `CREATE TABLE author (id int PRIMARY KEY, name text, born date);${BREAKPOINT}CREATE TYPE mood AS ENUM ('sad', 'happy');
    CREATE TABLE pair (a text, b text); CREATE TABLE one (n int); CREATE TABLE two (n int);`,
};

interface Case {
  readonly title: string;
  readonly sql: string;
  readonly down?: string;
  readonly state: Proof["state"];
  readonly reason?: RegExp;
  /** Texts of the differences. */
  readonly differences?: readonly string[];
}

const CASES: readonly Case[] = [
  {
    title: "a column that is dropped again",
    sql: "ALTER TABLE author ADD email text;",
    down: "ALTER TABLE author DROP email;",
    state: "proved",
  },
  {
    title: "a column that comes back at another place",
    sql: "ALTER TABLE author DROP name;",
    down: "ALTER TABLE author ADD name text;",
    state: "proved",
  },
  {
    title: "a column that comes back with another type",
    sql: "ALTER TABLE author DROP name;",
    down: "ALTER TABLE author ADD name varchar(9);",
    state: "failed",
    differences: ["column `author.name` has the type character varying(9); before the up: text"],
  },
  {
    title: "a down that forgets an index and a default",
    sql: "CREATE INDEX author_name ON author (name); ALTER TABLE author ALTER born SET DEFAULT now();",
    down: "SELECT 1;",
    state: "failed",
    differences: [
      "column `author.born` has the default now(); before the up: none",
      "index `author_name` is left behind: it was not there before the up",
    ],
  },
  {
    title: "a CHECK that comes back with another body",
    sql: "ALTER TABLE author ADD CHECK (id > 0);",
    down: "ALTER TABLE author DROP CONSTRAINT author_id_check; ALTER TABLE author ADD CHECK (id > 1);",
    state: "failed",
    differences: ["check `author.author_id_check` is left behind: it was not there before the up"],
  },
  {
    title: "a grant that is not taken back",
    sql: "GRANT SELECT ON author TO PUBLIC;",
    down: "SELECT 1;",
    state: "failed",
    differences: ["table `author` has the privilege for PUBLIC SELECT; before the up: none"],
  },
  {
    title: "a down that fails",
    sql: "ALTER TABLE author ADD email text;",
    down: "ALTER TABLE author DROP mail;",
    state: "failed",
    reason: /^the down failed: 0001_next\.down\.sql, statement 1 of 1, line 1 failed: column "mail"/,
  },
  {
    title: "a down that leaves what stops the second up",
    sql: "INSERT INTO author VALUES (1);",
    down: "SELECT 1;",
    state: "failed",
    reason: /^the up failed the second time, .* duplicate key/,
  },
  {
    title: "a down that changes rows",
    sql: "INSERT INTO author VALUES (1);",
    down: "DELETE FROM author;",
    state: "proved",
  },
  {
    title: "a down of nothing but a comment, where the schema stays",
    sql: "UPDATE author SET name = 'x';",
    down: "-- loses: the old names",
    state: "proved",
  },
  { title: "no down file", sql: "SELECT 1;", state: "missing", reason: /^there is no 0001_next\.down\.sql$/ },
  {
    title: "a migration that cannot be undone",
    sql: "DROP TABLE author;",
    down: "-- irreversible: the rows are gone",
    state: "irreversible",
    reason: /^the rows are gone$/,
  },
  ...(["unfinished", "unproved"] as const).map((mark) => ({
    title: `a down that is right, but still marked ${mark}`,
    sql: "ALTER TABLE author ADD email text;",
    down: `-- ${mark}: later\nALTER TABLE author DROP email;`,
    state: "failed" as const,
    reason: new RegExp(`^0001_next\\.down\\.sql is marked ${mark}: later; finish it and remove that line$`),
  })),
  {
    title: "an index that is built concurrently",
    sql: `CREATE INDEX CONCURRENTLY author_name ON author (name);${BREAKPOINT}ALTER TABLE author ADD email text;`,
    down: `ALTER TABLE author DROP email;${BREAKPOINT}DROP INDEX CONCURRENTLY author_name;`,
    state: "proved",
  },
  {
    title: "a concurrent drop that stops half way",
    sql: "CREATE INDEX author_name ON author (name);",
    down: `ALTER TABLE author DROP born;${BREAKPOINT}DROP INDEX CONCURRENTLY authors_name;`,
    state: "failed",
    reason: /^the down failed: .*, statement 2 of 2/,
  },
  {
    title: "an enum value, taken away by rebuilding the type",
    sql: "ALTER TYPE mood ADD VALUE 'ok' BEFORE 'happy';",
    down: "ALTER TYPE mood RENAME TO old; CREATE TYPE mood AS ENUM ('sad', 'happy'); DROP TYPE old;",
    state: "proved",
  },
  {
    title: "an enum value that stays",
    sql: "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'ok';",
    down: "SELECT 1;",
    state: "failed",
    differences: ["enum `mood` has ok, which it had not before the up"],
  },
  {
    title: "two columns of one type that stay under each other's names",
    sql: "ALTER TABLE pair RENAME a TO c; ALTER TABLE pair RENAME b TO a; ALTER TABLE pair RENAME c TO b;",
    down: "SELECT 1;",
    state: "failed",
    reason:
      /^the values are not where they were: column pair\.a is pair\.b after the down; column pair\.b is pair\.a after the down$/,
  },
  {
    title: "two alike tables that stay under each other's names",
    sql: "ALTER TABLE one RENAME TO three; ALTER TABLE two RENAME TO one; ALTER TABLE three RENAME TO two;",
    down: "SELECT 1;",
    state: "failed",
    reason:
      /^the values are not where they were: table one is two after the down; table two is one after the down$/,
  },
  {
    title: "a role that no scratch server has, in a policy",
    sql: "CREATE ROLE proof_clerk; CREATE POLICY own ON author TO proof_clerk; GRANT SELECT ON author TO proof_clerk;",
    down: "REVOKE SELECT ON author FROM proof_clerk; DROP POLICY own ON author; DROP ROLE proof_clerk;",
    state: "proved",
  },
  {
    title: "a file that leaves another role, search_path and read-only transactions behind",
    sql: "CREATE TABLE more (); SET search_path = ''; SET default_transaction_read_only = on; SET ROLE pg_monitor;",
    down: "DROP TABLE more;",
    state: "proved",
  },
];

describe("prove", () => {
  test.each(titled(CASES))("%s", async (_, { sql, down, state, reason, differences = [] }) => {
    const next = { tag: "0001_next", sql, ...(down === undefined ? {} : { down }) };
    const [, proof] = await proofsOf([FIRST, next]);
    expect({ state: proof?.state, differences: proof?.differences.map(({ text }) => text) }).toEqual({
      state,
      differences,
    });
    if (reason) expect(proof?.reason).toMatch(reason);
    else expect(proof?.reason).toBeNull();
  });

  test("goes on, whatever became of one, on a database where it is applied", async () => {
    const wrong = ["SELECT 1;", "DROP TABLE t; CREATE TABLE left_behind ();", "DROP TABLE u;", undefined];
    const proofs = await proofsOf(
      wrong.flatMap((down, index) => [
        { tag: `000${2 * index}_t`, sql: "CREATE TABLE t ();", ...(down === undefined ? {} : { down }) },
        { tag: `000${2 * index + 1}_none`, sql: "DROP TABLE t;", down: "CREATE TABLE t ();" },
      ]),
    );
    expect(proofs.map(({ state }) => state)).toEqual([
      ...["failed", "proved", "failed", "proved", "failed", "proved", "missing", "proved"],
    ]);
  });

  test("says each migration's state and time, the differences below, and exits 1; with --json as a document", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder([THREE[0], { ...THREE[1], down: "SELECT 1;" }, THREE[2]]);
    const args = ["prove", "--migrations", folder, "--url", database.url];
    const [shown, asJson] = await Promise.all([runCli(args), runCli([...args, "--json"])]);
    expect(shown).toMatchObject({ exitCode: 1, stderr: "" });
    expect(shown.stdout.replaceAll(/[\d.]+ m?s/g, "<time>")).toBe(
      [
        "0000_author  proved  <time>",
        "0001_author_born  failed  <time>",
        "  column `author.born` is left behind: it was not there before the up",
        "0002_book  proved  <time>",
        "",
        "3 migrations: 2 proved, 1 failed; <time>\n",
      ].join("\n"),
    );
    expect(asJson.exitCode).toBe(1);
    const { migrations } = documentOf(asJson) as { migrations: readonly Record<string, unknown>[] };
    expect(migrations).toEqual([
      { tag: "0000_author", state: "proved", durationMs: expect.any(Number), differences: [], reason: null },
      expect.objectContaining({ tag: "0001_author_born", state: "failed", reason: null }),
      expect.objectContaining({ tag: "0002_book", state: "proved" }),
    ]);
    expect(migrations[1]?.differences).toMatchObject([
      {
        change: "extra",
        object: "author.born",
        text: "column `author.born` is left behind: it was not there before the up",
      },
    ]);
  });

  test("goes from one migration to another, applying those before; all proved or irreversible is exit 0", async () => {
    const { url } = await createTestDatabase();
    const folder = await makeFolder([
      { ...THREE[0], down: "SELECT 1;" },
      THREE[1],
      { ...THREE[2], down: "-- irreversible: no" },
      { tag: "0003_broken", sql: "CREATE TABLE;" },
    ]);
    const args = ["prove", "--migrations", folder, "--json"];
    const range = ["--from", "0001_author_born", "--to", "0002_book"];
    const result = await runCli([...args, ...range], { env: { SCRATCH_DATABASE_URL: url } });
    expect(result.exitCode).toBe(0);
    expect(documentOf(result).migrations).toMatchObject([
      { tag: "0001_author_born", state: "proved" },
      { tag: "0002_book", state: "irreversible" },
    ]);
  });

  test.each<[string, readonly MigrationFiles[], readonly string[], string]>([
    ["an up that fails", [THREE[0], { tag: "0001_broken", sql: "CREATE TABLE;" }], [], "cannot-check"],
    ["a missing file", [THREE[0], { tag: "0001_lost", sql: null }], [], "cannot-check"],
    ["a tag that is not there", THREE, ["--from", "0009_none"], "unknown-tag"],
  ])("cannot check a folder with %s, exit 2", async (_, migrations, flags, code) => {
    const { url } = await createTestDatabase();
    const folder = await makeFolder(migrations);
    const result = await runCli(["prove", "--migrations", folder, "--url", url, "--json", ...flags]);
    expect(result.exitCode).toBe(2);
    expect(errorOf(result)).toMatchObject({ code, state: expect.stringContaining("nothing was") });
  });

  test("names the flag that gave a tag which is not there", async () => {
    const { url } = await createTestDatabase();
    const args = ["prove", "--migrations", await makeFolder(THREE), "--url", url, "--json"];
    for (const flag of ["--from", "--to"]) {
      const result = await runCli([...args, flag, "0009_none"]);
      expect(errorOf(result).fix).toBe(`give ${flag} one of these`);
    }
  });

  test("works side by side on a long folder, and gives its proofs in order", async () => {
    const numbers = Array.from({ length: 20 }, (_, index) => index);
    const many = numbers.map((index) => ({
      tag: `${String(index).padStart(4, "0")}_t${index}`,
      sql: `CREATE TABLE t${index} ();${index === 0 ? "" : `DROP TABLE t${index - 1};`}`,
      down: `${index === 0 ? "" : `CREATE TABLE t${index - 1} ();`}DROP TABLE t${index};`,
    }));
    const proofs = await proofsOf(many);
    expect(proofs.map(({ tag, state }) => [tag, state])).toEqual(many.map(({ tag }) => [tag, "proved"]));
  });

  test("Ctrl-C leaves no scratch database and no stand-in role", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder([
      { tag: "0000_slow", sql: "CREATE TABLE t (); GRANT SELECT ON t TO proof_guest; SELECT pg_sleep(60);" },
    ]);
    const process = await startCli(["prove", "--migrations", folder, "--url", database.url]);
    const sleeping = () => database.sql<{ name: string }[]>`
      select datname as name from pg_stat_activity where query like '/* 0000_slow.sql */%' and wait_event = 'PgSleep'`;
    await expect.poll(async () => (await sleeping()).length, { timeout: 10_000 }).toBe(1);
    const [{ name = "" } = {}] = await sleeping();
    const left = () => database.sql`
      select from pg_database where datname = ${name} union all select from pg_roles where rolname = 'proof_guest'`;
    expect(await left()).toHaveLength(2);
    process.kill("SIGINT");
    expect(await process.done).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining(INTERRUPTED.replace("<what>", "the proof")),
    });
    expect(await left()).toHaveLength(0);
  });
});

describe("a fingerprint", () => {
  const CHANGES: readonly [name: string, change: string, undo: string][] = [
    ["a column", "ALTER TABLE t ADD x int", "ALTER TABLE t DROP x"],
    ["a column's default", "ALTER TABLE t ALTER n SET DEFAULT 3", "ALTER TABLE t ALTER n DROP DEFAULT"],
    ["who owns a sequence", "ALTER SEQUENCE s OWNED BY t.n", "ALTER SEQUENCE s OWNED BY NONE"],
    [
      "a comment on what was there before",
      "COMMENT ON TYPE int4 IS 'x'",
      "COMMENT ON TYPE int4 IS '-2 billion to 2 billion integer, 4-byte storage'",
    ],
    [
      "a grant on a schema",
      "GRANT CREATE ON SCHEMA public TO pg_monitor",
      "REVOKE CREATE ON SCHEMA public FROM pg_monitor",
    ],
    ["a trigger that is disabled", "ALTER TABLE t DISABLE TRIGGER g", "ALTER TABLE t ENABLE TRIGGER g"],
    ["an option", "ALTER TABLE t SET (fillfactor = 80)", "ALTER TABLE t RESET (fillfactor)"],
    [
      "a statistics target",
      "ALTER TABLE t ALTER n SET STATISTICS 5",
      "ALTER TABLE t ALTER n SET STATISTICS -1",
    ],
  ];

  test.each(CHANGES)("shows %s", async (_, change, undo) => {
    const { url } = await createTestDatabase();
    await withUrl(url, async ({ sql }) => {
      const fingerprint = await openFingerprint(sql);
      await sql.unsafe(`CREATE TABLE t (n int); CREATE SEQUENCE s; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()`);
      const before = await fingerprint();
      await sql.unsafe(change);
      expect(await fingerprint()).not.toBe(before);
      await sql.unsafe(`${undo}; INSERT INTO t VALUES (1); ANALYZE t`);
      // What a whole comparison must then decide may differ here; what PostgreSQL counts by itself may not.
      if (!/COMMENT|GRANT|STATISTICS/.test(change)) expect(await fingerprint()).toBe(before);
    });
  });
});

describe("side by side", () => {
  test("the first that fails stops the others, and all have ended before it is said", async () => {
    const ended: number[] = [];
    const work = sideBySide({ from: 0, to: 64 }, NOBODY, async ({ from }, stop) => {
      if (from === 0) throw new Error("the first");
      await new Promise((resolve) => stop.addEventListener("abort", resolve));
      ended.push(from);
      throw new Error("stopped");
    });
    await expect(work).rejects.toThrow("the first");
    expect(ended.length).toBeGreaterThan(0);
  });
});

describe("migrate in CI", () => {
  test("refuses a pending migration whose down is marked, until the mark is gone; rollback refuses it anywhere", async () => {
    const { url } = await createTestDatabase();
    const folder = await makeFolder([
      { ...THREE[0], down: "-- unproved: the index stays\nDROP TABLE author;" },
    ]);
    const run = (verb: string, CI: string) =>
      runCli([verb, "--migrations", folder, "--url", url, "--json"], { env: { CI } });
    const refused = await run("migrate", "true");
    expect(refused.exitCode).toBe(2);
    expect(errorOf(refused)).toMatchObject({
      code: "down-unfinished",
      message: "0000_author.down.sql is marked unproved: the index stays",
      state: "nothing was applied",
    });
    expect(await run("migrate", "false")).toMatchObject({ exitCode: 0 });
    expect(errorOf(await run("rollback", ""))).toMatchObject({
      code: "cannot-undo",
      message: "0000_author.down.sql does not undo its migration: the index stays",
    });
    await writeFile(join(folder, "0000_author.down.sql"), "-- loses: every author\nDROP TABLE author;");
    const undone = await runCli(["rollback", "--migrations", folder, "--url", url]);
    expect(undone).toMatchObject({ exitCode: 0 });
    expect(undone.stdout).toContain(
      "will roll back, in this order: 0000_author\n0000_author loses every author\n",
    );
    expect(await run("migrate", "true")).toMatchObject({ exitCode: 0 });
  });
});

test("without a place for scratch databases prove says what to do, exit 2", async () => {
  const settings = await readSettings({
    migrations: await makeFolder(THREE),
    url: "postgres://x@127.0.0.1:1/x",
  });
  const nowhere = { ...settings, scratch: { url: undefined, embedded: undefined } };
  expect(await failureOf(prove(nowhere, undefined, {}, NOBODY))).toMatchObject({
    code: "no-scratch",
    exitCode: 2,
  });
});
