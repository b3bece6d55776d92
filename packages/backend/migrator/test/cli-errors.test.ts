import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createTestDatabase, createTestRole, type TestDatabase, type TestRole } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { migrate } from "../src/index.ts";
import { type CliOptions, type CliResult, documentOf, errorOf, runCli } from "./support/cli.ts";
import {
  exists,
  failureOf,
  quoted,
  readCatalog,
  readEverything,
  readLedgerRows,
  readSchemas,
} from "./support/database.ts";
import { BREAKPOINT, makeFolder, THREE, tagsOf, writeJournal } from "./support/folder.ts";
import { changed, closedPort, dotenv, settingsOf } from "./support/server.ts";
import { temporaryFolder } from "./support/temporary.ts";
import { titled } from "./support/titled.ts";

/** Runs `migrate`, which is expected to end with an error, and gives back what it said. */
async function refusedMigrate(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const result = await runCli(["migrate", ...args], options);
  expect(result.stdout).toBe("");
  return result;
}

function on(database: Pick<TestDatabase, "url">, folder: string): readonly string[] {
  return ["--migrations", folder, "--url", database.url];
}

describe("the server", () => {
  test("a server that is not reachable is named with host and port, exit 1", async () => {
    const port = await closedPort();
    const folder = await makeFolder(THREE);
    const result = await refusedMigrate([
      "--migrations",
      folder,
      "--url",
      `postgres://ann@127.0.0.1:${port}/moc`,
    ]);
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain(
      `error server-unreachable: no PostgreSQL answers at 127.0.0.1:${port} (ECONNREFUSED)`,
    );
    expect(result.stderr).toContain("state: nothing was changed");
    expect(result.stderr).toContain("fix: check host and port");
  });

  test("a host that does not exist is told apart, exit 1", async () => {
    const folder = await makeFolder(THREE);
    const result = await refusedMigrate([
      "--migrations",
      folder,
      "--url",
      "postgres://ann@no-such-host.invalid/moc",
    ]);
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toMatch(
      /no PostgreSQL answers at no-such-host\.invalid:5432 \((ENOTFOUND|EAI_AGAIN)\)/,
    );
  });

  test("a wrong password is told with user and database, exit 1", async () => {
    const [database, role] = await Promise.all([createTestDatabase(), createTestRole()]);
    const url = changed(role.urlOf(database), { password: "not-this-one" });
    const result = await refusedMigrate(["--migrations", await makeFolder(THREE), "--url", url]);
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain(`the server refused the login of ${role.name}@`);
    expect(result.stderr).toContain("(28P01)");
    expect(result.stderr).toContain("state: nothing was changed");
    expect(result.stderr).toContain("POSTGRES_PASSWORD");
  });

  test("a database that does not exist is offered as a CREATE DATABASE line that works, exit 1", async () => {
    const admin = await createTestDatabase();
    const name = `${admin.name}_Odd "name"`;
    const args = ["--migrations", await makeFolder(THREE), "--url", changed(admin.url, { database: name })];
    const result = await refusedMigrate(args);
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain("(3D000)");
    const line = /CREATE DATABASE .*;/.exec(result.stderr)?.[0] ?? "";
    expect(line).toBe(`CREATE DATABASE ${quoted(name)};`);
    await admin.sql.unsafe(line);
    try {
      expect((await runCli(["migrate", ...args])).exitCode).toBe(0);
    } finally {
      await admin.sql.unsafe(`drop database ${quoted(name)}`);
    }
  });
});

describe("settings", () => {
  test("a missing setting is named, with all places that were looked into, exit 2", async () => {
    const cwd = await temporaryFolder();
    await writeFile(join(cwd, ".env.local"), "POSTGRES_USERNAME=ann\n");
    await writeFile(join(cwd, ".env"), "POSTGRES_DATABASE=moc\n");
    const env = { POSTGRES_HOST: "localhost" };
    const result = await refusedMigrate(["--migrations", await makeFolder(THREE)], { cwd, env });
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toContain("error setting-missing: POSTGRES_PASSWORD is not set");
    expect(result.stderr).toContain(
      "looked in the environment, .env.local and .env at the repository's root",
    );
    expect(result.stderr).toContain("POSTGRES_HOST is set (from the environment)");
    expect(result.stderr).toContain("POSTGRES_USERNAME is set (from .env.local)");
    expect(result.stderr).toContain("POSTGRES_DATABASE is set (from .env)");
    expect(result.stderr).toContain("fix: set POSTGRES_PASSWORD there");
  });

  test("an empty POSTGRES_PASSWORD is a password, not a missing setting", async () => {
    const env = {
      POSTGRES_HOST: "127.0.0.1",
      POSTGRES_PORT: String(await closedPort()),
      POSTGRES_USERNAME: "ann",
      POSTGRES_PASSWORD: "",
      POSTGRES_DATABASE: "moc",
    };
    const result = await refusedMigrate(["--migrations", await makeFolder(THREE)], { env });
    expect(result.stderr).toContain("no PostgreSQL answers");
  });

  test("the environment ranks before .env.local, and that before .env", async () => {
    const database = await createTestDatabase();
    const [right, wrong] = [
      settingsOf(database),
      { ...settingsOf(database), POSTGRES_DATABASE: "not_this_one" },
    ];
    const folder = await makeFolder(THREE);
    const cases = [
      { env: {}, local: undefined, dotenv: right },
      { env: {}, local: right, dotenv: wrong },
      { env: right, local: wrong, dotenv: wrong },
    ];
    const results = await Promise.all(
      cases.map(async (one) => {
        const cwd = await temporaryFolder();
        if (one.local) await writeFile(join(cwd, ".env.local"), dotenv(one.local));
        await writeFile(join(cwd, ".env"), dotenv(one.dotenv));
        return runCli(["status", "--json", "--migrations", folder], { cwd, env: one.env });
      }),
    );
    expect(results.map((result) => documentOf(result).database)).toEqual(cases.map(() => database.name));
  });

  test("files are looked for at the repository's root, also from a folder below", async () => {
    const database = await createTestDatabase();
    const root = await temporaryFolder();
    const cwd = join(root, "packages", "one");
    await mkdir(cwd, { recursive: true });
    await writeFile(join(root, "pnpm-workspace.yaml"), "packages: []\n");
    await writeFile(join(root, ".env"), dotenv(settingsOf(database)));
    const result = await runCli(["status", "--json", "--migrations", await makeFolder(THREE)], { cwd });
    expect(documentOf(result).database).toBe(database.name);
  });

  test("a settings file that cannot be read is an error, not an absent one", async () => {
    const cwd = await temporaryFolder();
    await mkdir(join(cwd, ".env"));
    const result = await refusedMigrate(["--migrations", await makeFolder(THREE)], { cwd });
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toMatch(
      /error settings-unreadable: .*\.env is there but cannot be read \(EISDIR\)/,
    );
  });

  test("DATABASE_URL and POSTGRES_* that name different places are both shown, without passwords, exit 2", async () => {
    const cwd = await temporaryFolder();
    await writeFile(join(cwd, ".env"), "DATABASE_URL=postgres://bob:hunter22@staging:6543/moc\n");
    const env = {
      POSTGRES_HOST: "localhost",
      POSTGRES_USERNAME: "ann",
      POSTGRES_PASSWORD: "swordfish",
      POSTGRES_DATABASE: "moc",
    };
    const result = await refusedMigrate(["--migrations", await makeFolder(THREE)], { cwd, env });
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toContain("DATABASE_URL and the POSTGRES_* settings name different databases");
    expect(result.stderr).toContain("bob@staging:6543/moc  (from .env)");
    expect(result.stderr).toContain("ann@localhost:5432/moc  (from the environment)");
    expect(result.stderr).not.toMatch(/hunter22|swordfish/);
  });

  test("DATABASE_URL and POSTGRES_* that agree are accepted", async () => {
    const database = await createTestDatabase();
    const env = { ...settingsOf(database), DATABASE_URL: database.url };
    const result = await runCli(["status", "--json", "--migrations", await makeFolder(THREE)], { env });
    expect(result.exitCode).toBe(0);
    expect(documentOf(result).database).toBe(database.name);
  });

  test("--url goes before everything that is configured", async () => {
    const database = await createTestDatabase();
    const env = { DATABASE_URL: "postgres://elsewhere.invalid/moc" };
    const result = await runCli(["status", "--json", ...on(database, await makeFolder(THREE))], { env });
    expect(documentOf(result).database).toBe(database.name);
  });

  test.each([
    ["POSTGRES_SSL", { POSTGRES_SSL: "yes" }, 'POSTGRES_SSL is "yes"', "use disable, require, verify-full"],
    ["POSTGRES_PORT", { POSTGRES_PORT: "five" }, 'POSTGRES_PORT is "five", not a port', "1 to 65535"],
    ["POSTGRES_HOST", { POSTGRES_HOST: "" }, "POSTGRES_HOST is not set, or empty", "set POSTGRES_HOST there"],
  ])("a bad %s is refused with what it may be, exit 2", async (_, bad, message, fix) => {
    const env = {
      POSTGRES_HOST: "localhost",
      POSTGRES_USERNAME: "ann",
      POSTGRES_PASSWORD: "",
      POSTGRES_DATABASE: "moc",
      ...bad,
    };
    const result = await refusedMigrate(["--migrations", await makeFolder(THREE)], { env });
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toMatch(/^error setting-(invalid|missing): /);
    expect(result.stderr).toContain(`: ${message}`);
    expect(result.stderr).toContain(fix);
  });

  test("with TLS required, a server without TLS is not used in the clear", async () => {
    const database = await createTestDatabase();
    const env = { ...settingsOf(database), POSTGRES_SSL: "require" };
    const [row] = await database.sql<{ ssl: string }[]>`select current_setting('ssl') as ssl`;
    const result = await runCli(["migrate", "--migrations", await makeFolder(THREE)], { env });
    expect(result.exitCode).toBe(row?.ssl === "on" ? 0 : 1);
  });

  test("in production with nothing configured no embedded server is started, exit 2", async () => {
    const cwd = await temporaryFolder();
    const folder = await makeFolder(THREE);
    const verbs = ["migrate", "status", "rollback"].map((verb) => [verb, "--migrations", folder]);
    const runs = [...verbs, ["reset"]].map((args) => runCli(args, { cwd, env: { NODE_ENV: "production" } }));
    for (const result of await Promise.all(runs)) {
      expect(result.exitCode).toBe(2);
      expect(result.stderr).toContain("NODE_ENV is production");
    }
    await expect(readFile(join(cwd, ".postgres", ".gitignore"))).rejects.toThrow("ENOENT");
  });

  test("without a folder, the flag and the config file that could name one are told, exit 2", async () => {
    const result = await refusedMigrate([]);
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toContain("fix: pass --migrations <folder>, or --config <migrator.config.js>");
  });

  test.each([
    ["is missing", undefined, "there is no config file"],
    ["does not load", "export default {", "cannot be used"],
    ["has a wrong value", "export default { migrations: 7 }", "migrations"],
    ["has an unknown name", 'export default { migration: "./drizzle" }', "migration"],
  ])("a config file that %s is refused, exit 2", async (_, text, message) => {
    const file = join(await temporaryFolder(), "migrator.config.mjs");
    if (text !== undefined) await writeFile(file, text);
    const result = await refusedMigrate(["--config", file]);
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toContain(file);
    expect(result.stderr).toContain(message);
    expect(result.stderr).toContain("state: nothing was done");
  });
});

describe("the folder", () => {
  const JOURNAL = { version: "7", dialect: "postgresql", entries: [] };

  test.each(
    titled([
      {
        title: "a folder that is not there",
        prepare: (folder: string) => rm(folder, { recursive: true }),
        message: /the migrations folder .* cannot be read \(ENOENT\)/,
        fix: "--migrations <folder>",
      },
      {
        title: "SQL files without a journal",
        prepare: (folder: string) => writeFile(join(folder, "0000_one.sql"), "SELECT 1;"),
        message: /there is no journal at .* although SQL files lie beside it/,
        fix: "--migrations <folder>",
      },
      {
        title: "a journal that is not JSON",
        prepare: (folder: string) => writeJournal(folder, "<<<<<<< HEAD\n{}"),
        message: /_journal\.json is not a Drizzle journal\n {2}not JSON: /,
        fix: "version control (a merge conflict",
      },
      {
        title: "a journal with an entry that has no tag",
        prepare: (folder: string) =>
          writeJournal(folder, { ...JOURNAL, entries: [{ idx: 0, when: 1, breakpoints: true }] }),
        message: /is not a Drizzle journal\n {2}entries\.0\.tag: /,
        fix: "version control",
      },
      {
        title: "the layout of Drizzle v1",
        prepare: async (folder: string) => {
          await mkdir(join(folder, "20260101120000_one"));
          await writeFile(join(folder, "20260101120000_one", "migration.sql"), "SELECT 1;");
        },
        message: /has the layout of Drizzle v1 \(a folder per migration, no journal\)/,
        fix: "drizzle-kit 1.x",
      },
    ]),
  )("%s is refused, exit 2", async (_, { prepare, message, fix }) => {
    const folder = await temporaryFolder();
    await prepare(folder);
    // Found before a connection is tried: this one would fail otherwise.
    const result = await refusedMigrate(["--migrations", folder, "--url", "postgres://nowhere.invalid/moc"]);
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toMatch(message);
    expect(result.stderr).toContain("state: nothing was applied");
    expect(result.stderr).toContain(fix);
  });

  test("a journal entry without its file: status shows it as missing, migrate refuses and writes nothing, exit 2", async () => {
    const [one, two, three] = THREE;
    const database = await createTestDatabase();
    const folder = await makeFolder([one, { ...two, sql: null }, three]);
    const status = await runCli(["status", "--json", ...on(database, folder)]);
    expect(status.exitCode).toBe(1);
    expect(documentOf(status)).toMatchObject({
      migrations: [
        { state: "pending" },
        { tag: two.tag, hash: null, state: "missing" },
        { state: "pending" },
      ],
      problems: [{ code: "missing-file", severity: "error", tag: two.tag }],
    });
    const result = await refusedMigrate(on(database, folder));
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toContain(
      `error missing-file: the journal names ${two.tag}, but ${two.tag}.sql is not in the folder`,
    );
    expect(result.stderr).toContain("state: nothing was applied");
    expect(await readSchemas(database.sql)).toEqual(["public"]);
  });

  test("the refusal of a missing file names the setting that leaves it out, and that does", async () => {
    const [one, two] = THREE;
    const database = await createTestDatabase();
    const folder = await makeFolder([one, { ...two, sql: null }]);
    const refused = await refusedMigrate(on(database, folder));
    const [setting = ""] = /severities: \{[^}]*\}/.exec(refused.stderr) ?? [];
    const cwd = await temporaryFolder();
    await writeFile(join(cwd, "migrator.config.js"), `export default { ${setting} };`);
    const result = await runCli(["migrate", "--json", ...on(database, folder)], { cwd });
    expect(documentOf(result)).toMatchObject({ applied: [{ tag: one.tag }] });
    expect(await readLedgerRows(database.sql)).toHaveLength(1);
  });
});

describe("SQL that fails", () => {
  test("is told with file, statement, line, PostgreSQL's words and the lines around it, and with what stands", async () => {
    const database = await createTestDatabase();
    const bad = [
      "-- the second one",
      "CREATE TABLE genre (id int PRIMARY KEY);",
      "--> statement-breakpoint",
      "INSERT INTO genre VALUES (1);",
      "--> statement-breakpoint",
      "-- twice the same",
      "INSERT INTO genre",
      "  VALUES (1);",
      "--> statement-breakpoint",
      "SELECT 1;",
    ].join("\n");
    const folder = await makeFolder([THREE[0], { tag: "0001_genre", sql: bad }]);
    const result = await runCli(["migrate", ...on(database, folder)]);
    expect(result.exitCode).toBe(1);
    expect(result.stdout).toMatch(/^0000_author {2}\d+ ms\n$/);
    expect(result.stderr).toContain(
      "error statement-failed: 0001_genre.sql, statement 3 of 4, line 7 failed\n",
    );
    expect(result.stderr).toContain('duplicate key value violates unique constraint "genre_pkey" (23505)\n');
    expect(result.stderr).toContain("detail: Key (id)=(1) already exists.\n");
    expect(result.stderr).toContain("INSERT INTO genre");
    expect(result.stderr).toContain(
      "state: 0000_author was applied; 0001_genre was undone whole and is still pending\n",
    );
    expect(result.stderr).toContain("fix: mend the file, then run again");
    expect(await readLedgerRows(database.sql)).toHaveLength(1);
    expect(await exists(database.sql, "genre")).toBe(false);
  });

  test("in the first migration leaves nothing, and says so", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder([{ tag: "0000_bad", sql: "SELECT nme FROM (SELECT 1 AS name) AS t;" }]);
    const result = await refusedMigrate(on(database, folder));
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain("error statement-failed: 0000_bad.sql, statement 1 of 1, line 1 failed");
    expect(result.stderr).toContain('column "nme" does not exist (42703)');
    expect(result.stderr).toContain('hint: Perhaps you meant to reference the column "t.name".');
    expect(result.stderr).toContain("state: nothing was applied; 0000_bad was undone whole");
    expect(await readSchemas(database.sql)).toEqual(["public"]);
  });

  const pad = "-- ä€🧱\n".repeat(2);
  test.each(
    titled([
      { title: "after leading comments", sql: `${pad}SELECT\n  oops;`, place: "statement 1 of 1, line 4" },
      {
        title: "with Windows line ends",
        sql: `SELECT 1;\r\n--> statement-breakpoint\r\nSELECT\r\n  oops;\r\n`,
        place: "statement 2 of 2, line 4",
      },
      {
        title: "after a byte order mark",
        sql: `\uFEFF-- mark\nSELECT oops;`,
        place: "statement 1 of 1, line 2",
      },
      {
        title: "after letters of several bytes",
        sql: `SELECT 'äöüß€',\n '🧱🧱🧱🧱🧱🧱🧱🧱',\n oops,\n 1\n;\n\n\n`,
        place: "statement 1 of 1, line 3",
      },
      {
        title: "in a statement of several commands",
        sql: "CREATE TABLE a (id int);\nCREATE TABLE b (id int);\nSELECT 1,\n  oops;\nSELECT 1;",
        place: "statement 1 of 1, line 4",
      },
      {
        title: "as a syntax error in the last of several commands",
        sql: "CREATE TABLE a (id int);\nCREATE TABLE b (id int);\n\nCRATE TABLE c ();",
        place: "statement 1 of 1, line 4",
      },
      {
        title: "after empty statements, which do not count",
        sql: `${BREAKPOINT}${BREAKPOINT}SELECT oops;${BREAKPOINT}`,
        place: "statement 1 of 1, line 5",
      },
    ]),
  )("%s is found at its line", async (_, { sql, place }) => {
    const database = await createTestDatabase();
    const folder = await makeFolder([{ tag: "0000_bad", sql }]);
    // In this process, because only the place in the message differs from the tests above.
    const error = await failureOf(migrate({ migrations: folder, url: database.url }));
    expect(error.message).toBe(`0000_bad.sql, ${place} failed`);
    expect(error.details.find((line) => line.startsWith("> "))).toMatch(/oops|CRATE/);
    expect(await readSchemas(database.sql)).toEqual(["public"]);
    expect(await exists(database.sql, "a")).toBe(false);
  });

  test("a table that is there with another shape: rolled back whole, hint to the clean state", async () => {
    const database = await createTestDatabase();
    await database.sql`create table wishlist_items (id int, note text)`;
    await database.sql`insert into wishlist_items values (1, 'mine')`;
    const before = await readCatalog(database.sql);
    const root = await temporaryFolder();
    await mkdir(join(root, ".git"));
    const folder = await makeFolder([
      {
        tag: "0000_wishlist_items",
        sql: [
          "CREATE TYPE wishlist_store AS ENUM ('LEGO', 'Other');",
          "CREATE TABLE wishlist_items (id uuid PRIMARY KEY, store wishlist_store NOT NULL);",
          "CREATE INDEX idx_wishlist_store ON wishlist_items (store);",
        ].join(BREAKPOINT),
      },
    ]);
    await writeFile(
      join(root, "migrator.config.mjs"),
      `export default { migrations: ${JSON.stringify(folder)}, runbook: "./docs/runbook.md" };`,
    );
    const result = await refusedMigrate([
      "--config",
      join(root, "migrator.config.mjs"),
      "--url",
      database.url,
    ]);
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain("0000_wishlist_items.sql, statement 2 of 3, line 3 failed");
    expect(result.stderr).toContain('relation "wishlist_items" already exists (42P07)');
    expect(result.stderr).toContain("state: nothing was applied");
    expect(result.stderr).toContain("migrator reset");
    expect(result.stderr).toContain('see "Clean state" in docs/runbook.md');
    expect(await readCatalog(database.sql)).toEqual(before);
    expect(await readSchemas(database.sql)).toEqual(["public"]);
    expect(await database.sql`select * from wishlist_items`).toEqual([{ id: 1, note: "mine" }]);
  });
});

describe("privileges", () => {
  /** The statements that a message tells to run. */
  function grantsIn(stderr: string): readonly string[] {
    return stderr.match(/\bGRANT [^;]+;/g) ?? [];
  }

  async function aloneWith(database: TestDatabase, ...rights: string[]): Promise<TestRole> {
    const role = await createTestRole();
    // PostgreSQL 14 still lets everybody create in the schema public.
    await database.sql`revoke create on schema public from public`;
    for (const right of rights) await database.sql.unsafe(`grant ${right} to ${quoted(role.name)}`);
    return role;
  }

  const WITHOUT_RIGHTS = [
    {
      title: "without CREATE on the database",
      rights: () => ["create on schema public"],
      migrated: 0,
      names: (database: TestDatabase) => [`CREATE privilege on database "${database.name}"`, '"drizzle"'],
    },
    {
      title: "without CREATE on the schema",
      rights: (database: TestDatabase) => [`create on database ${quoted(database.name)}`],
      migrated: 0,
      names: () => ['no CREATE privilege on schema "public"', "(42501)", "0000_author.sql, statement 1 of 1"],
    },
    {
      title: "without CREATE on the ledger's schema",
      rights: () => ["create on schema public"],
      migrated: "schema",
      names: () => ['no CREATE privilege on schema "drizzle"'],
    },
    {
      title: "without any right on the ledger",
      rights: () => ["create on schema public"],
      migrated: 1,
      names: () => ["drizzle.__drizzle_migrations"],
    },
    {
      title: "that may only read the ledger",
      rights: () => [
        "create on schema public",
        "usage on schema drizzle",
        "select on drizzle.__drizzle_migrations",
      ],
      migrated: 1,
      names: () => ["may not write the ledger drizzle.__drizzle_migrations"],
    },
    {
      title: "that may write the ledger but not use its sequence",
      rights: () => [
        "create on schema public",
        "usage on schema drizzle",
        "select, insert, delete on drizzle.__drizzle_migrations",
      ],
      migrated: 1,
      names: () => ["__drizzle_migrations"],
    },
  ] as const;

  test.each(titled(WITHOUT_RIGHTS))(
    "a role %s is told so with the GRANT, and with it the run succeeds",
    async (_, one) => {
      const database = await createTestDatabase();
      // The first table is nobody's concern: the migration to run makes another one.
      const folder = await makeFolder(
        one.migrated === 1 ? [THREE[0], { tag: "0001_genre", sql: "CREATE TABLE genre ();" }] : [THREE[0]],
      );
      if (one.migrated === 1) {
        await migrate({ migrations: folder, url: database.url, to: "0000_author" });
      } else if (one.migrated === "schema") await database.sql`create schema drizzle`;
      const role = await aloneWith(database, ...one.rights(database));
      const url = role.urlOf(database);
      const before = await readEverything(database.sql);
      const result = await runCli(["migrate", "--migrations", folder, "--url", url]);
      expect(result.exitCode).not.toBe(0);
      for (const name of [role.name, ...one.names(database)]) expect(result.stderr).toContain(name);
      expect(result.stderr).toContain("state: nothing was applied");
      expect(await readEverything(database.sql)).toEqual(before);
      const grants = grantsIn(result.stderr);
      expect(grants.length).toBeGreaterThan(0);
      for (const grant of grants) await database.sql.unsafe(grant);
      await migrate({ migrations: folder, url });
    },
  );

  test("a read-only session is found out before anything is written, exit 2", async () => {
    const database = await createTestDatabase();
    const role = await createTestRole({ settings: { default_transaction_read_only: "on" } });
    const input = { migrations: await makeFolder(THREE), url: role.urlOf(database) };
    const result = await refusedMigrate(["--migrations", input.migrations, "--url", input.url]);
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toContain(`the session of role "${role.name}" is read-only`);
    expect(result.stderr).toContain("state: nothing was applied");
    // Not PostgreSQL's own refusal of a write, which would be 25006.
    expect(result.stderr).not.toContain("25006");
    const line = /ALTER ROLE .*;/.exec(result.stderr)?.[0] ?? "";
    await database.sql.unsafe(line);
    await database.sql.unsafe(`grant create on database ${quoted(database.name)} to ${quoted(role.name)}`);
    await database.sql.unsafe(`grant create on schema public to ${quoted(role.name)}`);
    await migrate(input);
  });

  test("where nothing is pending, a read-only session is enough", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder(THREE);
    await migrate({ migrations: folder, url: database.url });
    const url = new URL(database.url);
    url.searchParams.set("default_transaction_read_only", "on");
    const result = await runCli(["migrate", "--migrations", folder, "--url", url.href]);
    expect(result).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("nothing to apply") });
  });
});

describe("usage", () => {
  test.each([
    [["migrat"], "unknown command 'migrat'", "Did you mean migrate?"],
    [["migrate", "--migration", "x"], "unknown option '--migration'", "Did you mean --migrations?"],
    [["migrate", "--url"], "option '--url <url>' argument missing", "migrator --help"],
    [["migrate", "0001_two"], "too many arguments", "migrator --help"],
    [["rollback", "--steps", "0"], '--steps takes a whole number of at least 1, not "0"', "--steps 1"],
    [["rollback", "--steps", "-1"], "--steps", "--steps"],
    [["rollback", "--steps", "99999999999999999999"], "--steps takes a whole number", "--steps 1"],
    [["rollback", "--steps", "1", "--to", "x"], "--steps and --to", "give one of them"],
    [["migrate", "--lock-wait", "soon"], '--lock-wait: "soon" is not a duration', "500ms, 5s, 2min or 1h"],
  ])("%j is refused with help, exit 2", async (args, message, fix) => {
    const result = await runCli(args);
    expect(result.exitCode).toBe(2);
    expect(result.stdout).toBe("");
    expect(result.stderr).toContain(message);
    expect(result.stderr).toContain(fix);
    expect(result.stderr).not.toContain("defect");
  });

  test("no verb at all shows the verbs, exit 2", async () => {
    const result = await runCli([]);
    expect(result.exitCode).toBe(2);
    expect(result.stdout + result.stderr).toMatch(/generate.*migrate.*rollback.*status.*dev.*reset/s);
  });

  test.each(["migrate", "rollback"])(
    "%s --to a tag that there is not lists those there are, exit 2",
    async (verb) => {
      const database = await createTestDatabase();
      const result = await runCli([verb, "--to", "0009_nothing", ...on(database, await makeFolder(THREE))]);
      expect(result.exitCode).toBe(2);
      expect(result.stderr).toContain('there is no migration "0009_nothing"');
      if (verb === "migrate") expect(result.stderr).toContain(tagsOf(THREE).join(", "));
      expect(await readSchemas(database.sql)).toEqual(["public"]);
    },
  );

  test("--help and --version end with exit 0, and the version is the package's", async () => {
    const file = fileURLToPath(new URL("../package.json", import.meta.url));
    const { version } = JSON.parse(await readFile(file, "utf8")) as { version: string };
    const [help, verbHelp, shown] = await Promise.all([
      runCli(["--help"]),
      runCli(["rollback", "--help"]),
      runCli(["--version"]),
    ]);
    expect(help).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("Exit codes: 0") });
    expect(verbHelp).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("--allow-data-loss") });
    expect(shown).toMatchObject({ exitCode: 0, stdout: `${version}\n` });
  });
});

describe("--json", () => {
  test("gives exactly one document on stdout for migrate, status and rollback", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder(THREE);
    const migrated = await runCli(["migrate", "--json", ...on(database, folder)]);
    expect(migrated.exitCode).toBe(0);
    expect(documentOf(migrated)).toMatchObject({
      database: database.name,
      server: expect.stringContaining("PostgreSQL"),
      applied: tagsOf(THREE).map((tag) => ({ tag, durationMs: expect.any(Number) })),
      alreadyApplied: 0,
      leftPending: [],
      problems: [],
    });
    const status = await runCli(["status", "--json", ...on(database, folder)]);
    expect(documentOf(status)).toHaveProperty("migrations");
    const rolledBack = await runCli(["rollback", "--json", ...on(database, folder)]);
    expect(documentOf(rolledBack)).toMatchObject({
      database: database.name,
      rolledBack: [{ tag: "0002_book", durationMs: expect.any(Number) }],
      lost: [],
    });
  });

  test.each([
    ["migrate", [], "setting-missing"],
    ["status", [], "setting-missing"],
    ["rollback", [], "setting-missing"],
    ["generate", ["--migrations", "x"], "name-needed"],
    ["reset", ["--url", "postgres://db.example.org/moc"], "not-local"],
    ["dev", ["--config", "nowhere.js"], "config-broken"],
    ["migrate", ["--nonsense"], "wrong-usage"],
    ["rollback", ["--steps", "x"], "wrong-usage"],
    ["nonsense", [], "wrong-usage"],
  ])("gives one document with the error for %s %j", async (verb, args, code) => {
    const result = await runCli([verb, "--json", ...args]);
    expect(result.exitCode).toBe(2);
    expect(Object.keys(documentOf(result))).toEqual(["error"]);
    expect(Object.keys(errorOf(result))).toEqual(["code", "message", "details", "state", "fix"]);
    expect(errorOf(result).code).toBe(code);
    expect(errorOf(result).message).not.toBe("");
  });

  test("gives one document where a migration fails half way, with what stands", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder([THREE[0], { tag: "0001_bad", sql: "SELECT oops;" }]);
    const result = await runCli(["migrate", "--json", ...on(database, folder)]);
    expect(result.exitCode).toBe(1);
    expect(errorOf(result)).toMatchObject({
      code: "statement-failed",
      message: "0001_bad.sql, statement 1 of 1, line 1 failed",
      state: "0000_author was applied; 0001_bad was undone whole and is still pending",
    });
  });
});

describe("passwords", () => {
  const PASSWORD = "hunter22/swordfish";
  const WRITTEN = encodeURIComponent(PASSWORD);

  /** Where a password comes from, and how the command is then called. */
  const SOURCES = {
    "--url": (url: string): { args: string[]; env: Record<string, string>; dotenv: string } => ({
      args: ["--url", url],
      env: {},
      dotenv: "",
    }),
    "--url=": (url: string) => ({ args: [`--url=${url}`], env: {}, dotenv: "" }),
    "--url with ?password=": (url: string) => ({ args: ["--url", asParameter(url)], env: {}, dotenv: "" }),
    DATABASE_URL: (url: string) => ({ args: [], env: { DATABASE_URL: url }, dotenv: "" }),
    "DATABASE_URL in .env": (url: string) => ({ args: [], env: {}, dotenv: `DATABASE_URL="${url}"\n` }),
    POSTGRES_PASSWORD: (url: string) => ({ args: [], env: settingsOf({ url }), dotenv: "" }),
    "POSTGRES_PASSWORD in .env": (url: string) => ({
      args: [],
      env: {},
      dotenv: dotenv(settingsOf({ url })),
    }),
  } as const;

  type Source = keyof typeof SOURCES;

  function asParameter(url: string): string {
    const { password } = new URL(url);
    return `${url.replace(`:${password}@`, "@")}?password=${password}`;
  }

  /** Fails with the password in NOTICE, message, detail and the lines of the file. */
  const TALKATIVE = `DO $$ BEGIN
  RAISE NOTICE '${PASSWORD}';
  RAISE '${PASSWORD}' USING DETAIL = '${PASSWORD}', HINT = 'password=${PASSWORD}';
END $$;`;

  /** With `--json`, so that both the text on stderr and the document are looked at. */
  async function outputWith(source: Source, url: string, sql: string): Promise<string> {
    const { args, env, dotenv } = SOURCES[source](url);
    const cwd = await temporaryFolder();
    await writeFile(join(cwd, ".env"), dotenv);
    const folder = await makeFolder([{ tag: "0000_one", sql }]);
    const result = await runCli(["migrate", "--json", "--migrations", folder, ...args], { cwd, env });
    expect(result.exitCode).toBe(1);
    return result.stdout + result.stderr;
  }

  test.each(Object.keys(SOURCES) as Source[])(
    "one from %s is not printed where a file and PostgreSQL itself say it",
    async (source) => {
      const [there, role] = await Promise.all([createTestDatabase(), createTestRole({ password: PASSWORD })]);
      await there.sql.unsafe(`grant create on database ${quoted(there.name)} to ${quoted(role.name)}`);
      const output = await outputWith(source, role.urlOf(there), TALKATIVE);
      expect(output).toContain("0000_one.sql, statement 1 of 1");
      expect(output).not.toMatch(/hunter22|swordfish/);
    },
  );

  test.each(["--url", "DATABASE_URL in .env", "POSTGRES_PASSWORD in .env"] as const)(
    "one from %s is not printed where the server does not answer or refuses the login",
    async (source) => {
      const [there, role] = await Promise.all([createTestDatabase(), createTestRole()]);
      const outputs = await Promise.all([
        outputWith(source, `postgres://ann:${WRITTEN}@127.0.0.1:${await closedPort()}/moc`, "SELECT 1;"),
        outputWith(source, changed(role.urlOf(there), { password: PASSWORD }), "SELECT 1;"),
      ]);
      expect(outputs[0]).toContain("server-unreachable");
      expect(outputs[1]).toContain("login-refused");
      expect(outputs.join()).not.toMatch(/hunter22|swordfish/);
    },
  );

  test.each(["hash", "applied", "state"])(
    "the password %s leaves the keys of a document as they are",
    async (password) => {
      const [there, role] = await Promise.all([createTestDatabase(), createTestRole({ password })]);
      await there.sql.unsafe(`grant create on database ${quoted(there.name)} to ${quoted(role.name)};
        grant create on schema public to ${quoted(role.name)}`);
      const args = ["--json", "--migrations", await makeFolder([THREE[0]]), "--url", role.urlOf(there)];
      const migrated = documentOf(await runCli(["migrate", ...args]));
      expect(migrated).toMatchObject({ database: there.name, applied: [{ tag: THREE[0].tag }] });
      const { migrations } = documentOf(await runCli(["status", ...args])) as { migrations: object[] };
      expect(Object.keys(migrations[0] ?? {})).toEqual(["tag", "hash", "state", "appliedAt", "durationMs"]);
    },
  );

  test.each<Source>(["--url", "DATABASE_URL", "POSTGRES_PASSWORD in .env"])(
    "one from %s that is also the database's name is not taken for a secret where the name is shown",
    async (source) => {
      const there = await createTestDatabase();
      const role = await createTestRole({ password: there.name });
      await there.sql.unsafe(`grant create on database ${quoted(there.name)} to ${quoted(role.name)}`);
      const url = role.urlOf(there);
      const output = await outputWith(source, url, `SELECT '${there.name}', '${url}' FROM nowhere;`);
      expect(output).toContain(`SELECT '${there.name}', 'postgres://${role.name}:***@`);
      expect(output).not.toContain(`:${there.name}@`);
    },
  );

  test.each([
    ["no verb but a URL", ["postgres://ann:hunter22-swordfish@db/moc"]],
    ["a URL with the password as a parameter", ["postgres://ann@db/moc?password=hunter22-swordfish"]],
    ["a URL with an @ in its password", ["postgres://ann:hunter22@swordfish@db/moc"]],
    ["a misspelled flag", ["migrate", "--ulr=postgres://ann:hunter22-swordfish@db/moc"]],
    [
      "a URL that does not parse",
      ["migrate", "--migrations", "x", "--url", "postgres://ann:hunter22-swordfish@db:port/moc"],
    ],
    [
      "a URL with an unescaped %",
      ["migrate", "--migrations", "x", "--url", "postgres://ann:hunter22%swordfish@db/moc"],
    ],
    [
      "a URL without a database",
      ["migrate", "--migrations", "x", "--url", "postgres://ann:hunter22-swordfish@db"],
    ],
    [
      "a URL as a tag",
      ["rollback", "--migrations", "x", "--steps", "postgres://ann:hunter22-swordfish@db/moc"],
    ],
    ["a reset elsewhere", ["reset", "--url", "postgres://ann:hunter22-swordfish@db.example.org/moc"]],
  ])("%s does not print the password", async (_, args) => {
    const result = await runCli(args);
    expect(result.exitCode).toBe(2);
    expect(result.stdout + result.stderr).not.toMatch(/hunter22|swordfish/);
  });
});
