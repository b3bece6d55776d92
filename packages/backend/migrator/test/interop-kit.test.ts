import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createTestDatabase, type TestDatabase } from "@repo/test-database";
import { expect, onTestFinished, test } from "vitest";
import { migrate, status } from "../src/index.ts";
import { readCatalog, readLedgerRows } from "./support/database.ts";
import { type MigrationFiles, makeFolder, THREE } from "./support/folder.ts";

const run = promisify(execFile);
const KIT = join(dirname(createRequire(import.meta.url).resolve("drizzle-kit")), "bin.cjs");
const PACKAGE = fileURLToPath(new URL("..", import.meta.url));

/** The real `drizzle-kit migrate`. It must run where its driver can be found, and takes no absolute folder. */
async function kitMigrate(migrations: string, url: string): Promise<void> {
  const project = await mkdtemp(join(PACKAGE, "test/.tmp-"));
  onTestFinished(() => rm(project, { recursive: true, force: true }));
  const config = { dialect: "postgresql", out: `./${relative(PACKAGE, migrations)}`, dbCredentials: { url } };
  await writeFile(join(project, "drizzle.config.ts"), `export default ${JSON.stringify(config)};`);
  await run(
    process.execPath,
    [KIT, "migrate", `--config=${relative(PACKAGE, join(project, "drizzle.config.ts"))}`],
    { cwd: PACKAGE },
  );
}

/** The ledger's own form, and what else there is in its schema but our run log. */
async function readLedgerForm({ sql }: TestDatabase): Promise<readonly string[]> {
  const rows = await sql<{ line: string }[]>`
    with ledger as (select 'drizzle.__drizzle_migrations'::regclass as id)
    select format('column %s %s %s notnull %s default %s sequence %s', attnum, attname, format_type(atttypid, atttypmod), attnotnull,
        pg_get_expr(adbin, adrelid), pg_get_serial_sequence('drizzle.__drizzle_migrations', attname)) as line
      from ledger join pg_attribute on attrelid = id left join pg_attrdef on adrelid = attrelid and adnum = attnum where attnum > 0
    union all select format('constraint %s %s', conname, pg_get_constraintdef(oid)) from ledger join pg_constraint on conrelid = id
    union all select format('relation %s %s', relname, relkind) from pg_class
      where relnamespace = 'drizzle'::regnamespace and relname !~ '_runs(_|$)'
    order by 1`;
  return rows.map(({ line }) => line);
}

/** Line ends of Windows, and a blank at the end: they are in the hash. */
const WINDOWS: MigrationFiles = { ...THREE[1], sql: "ALTER TABLE author\r\n  ADD COLUMN born date;\r\n " };

test("drizzle-kit finds nothing to do on a database that we migrated, and we on one of its own; the ledgers are equal", async () => {
  const folder = await makeFolder([THREE[0], WINDOWS, THREE[2]]);
  const [ours, theirs] = [await createTestDatabase(), await createTestDatabase()];
  await migrate({ migrations: folder, url: ours.url });
  await kitMigrate(folder, theirs.url);
  const rows = await readLedgerRows(ours.sql);
  expect(rows).toEqual(await readLedgerRows(theirs.sql));
  expect(rows).toHaveLength(3);
  expect(await readCatalog(ours.sql)).toEqual(await readCatalog(theirs.sql));
  expect(await readLedgerForm(ours)).toEqual(await readLedgerForm(theirs));

  await kitMigrate(folder, ours.url);
  expect(await readLedgerRows(ours.sql)).toEqual(rows);
  expect(await migrate({ migrations: folder, url: theirs.url })).toMatchObject({
    applied: [],
    alreadyApplied: 3,
  });
  const { migrations } = await status({ migrations: folder, url: theirs.url });
  expect(migrations.map(({ state }) => state)).toEqual(["applied", "applied", "applied"]);
});

test("a database that either has half migrated is finished by the other", async () => {
  const [whole, half] = [await makeFolder(THREE), await makeFolder(THREE.slice(0, 1))];
  const [ours, theirs] = [await createTestDatabase(), await createTestDatabase()];
  await migrate({ migrations: half, url: ours.url });
  await kitMigrate(whole, ours.url);
  await kitMigrate(half, theirs.url);
  await migrate({ migrations: whole, url: theirs.url });
  expect(await readLedgerRows(ours.sql)).toHaveLength(3);
  expect(await readLedgerRows(ours.sql)).toEqual(await readLedgerRows(theirs.sql));
  expect(await readCatalog(ours.sql)).toEqual(await readCatalog(theirs.sql));
});
