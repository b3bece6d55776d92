import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createTestDatabase } from "@repo/test-database";
import { expect, onTestFinished, test } from "vitest";
import { migrate, status } from "../src/index.ts";
import { readCatalog, readLedgerRows } from "./support/database.ts";
import { makeFolder, THREE } from "./support/folder.ts";

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

test("drizzle-kit finds nothing to do on a database that we migrated, and we on one of its own; the ledgers are equal", async () => {
  const folder = await makeFolder(THREE);
  const [ours, theirs] = [await createTestDatabase(), await createTestDatabase()];
  await migrate({ migrations: folder, url: ours.url });
  await kitMigrate(folder, theirs.url);
  const rows = await readLedgerRows(ours.sql);
  expect(rows).toEqual(await readLedgerRows(theirs.sql));
  expect(rows).toHaveLength(3);
  expect(await readCatalog(ours.sql)).toEqual(await readCatalog(theirs.sql));

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
