import { readdirSync } from "node:fs";
import { migrate, rollback } from "@repo/migrator";
import { createTestDatabase } from "@repo/test-database";
import type { Sql } from "postgres";
import { describe, expect, test } from "vitest";
import { readCatalog } from "./catalog.ts";
import { createMigratedDatabase, migrations, readLedger, readMigrationFile } from "./migrations.ts";

const tags = readdirSync(migrations)
  .filter((name) => name.endsWith(".sql") && !name.endsWith(".down.sql"))
  .map((name) => name.slice(0, -".sql".length))
  .sort();

describe("each migration, run and rolled back, leaves the catalog as it found it", () => {
  test.each(tags.map((tag, index) => ({ tag, previous: tags[index - 1] })))(
    "$tag",
    async ({ tag, previous }) => {
      const { sql, url } = await createTestDatabase();
      if (previous !== undefined) await migrate({ url, migrations, to: previous });
      const before = await readCatalog(sql);

      await migrate({ url, migrations, to: tag });
      const between = await readCatalog(sql);
      await rollback({ url, migrations });

      expect(between).not.toEqual(before);
      expect(await readCatalog(sql)).toEqual(before);
    },
  );
});

test("rolling everything back leaves no table, no type and an empty ledger", async () => {
  const { sql, url } = await createMigratedDatabase();
  await rollback({ url, migrations, steps: tags.length });
  expect(await readCatalog(sql)).toEqual({ columns: [], enums: [], indexes: [], constraints: [] });
  expect(await readLedger(sql)).toEqual([]);
});

test("no down file uses CASCADE or IF EXISTS, which would hide what it takes with it", async () => {
  for (const tag of tags) {
    const statements = (await readMigrationFile(`${tag}.down.sql`)).replace(/^--.*$/gm, "");
    expect(statements, tag).not.toMatch(/\bCASCADE\b|\bIF EXISTS\b/i);
  }
});

test("0005 can be undone and applied again when a file came from an upload", async () => {
  const { sql, url } = await createTestDatabase();
  await migrate({ url, migrations, to: "0005_uploads" });
  await insertUploadedFile(sql);

  await runFile(sql, "0005_uploads.down.sql");
  await runFile(sql, "0005_uploads.sql");

  const files = await sql`SELECT file_name, upload_session_id FROM moc_files`;
  expect([...files]).toEqual([{ file_name: "castle.pdf", upload_session_id: null }]);
});

/** As the runner does, but past its refusal to drop rows. */
async function runFile(sql: Sql, name: string) {
  const text = await readMigrationFile(name);
  await sql.begin(async (transaction) => {
    for (const statement of text.split("--> statement-breakpoint")) await transaction.unsafe(statement);
  });
}

async function insertUploadedFile(sql: Sql) {
  await sql.unsafe(`
    WITH session AS (
      INSERT INTO upload_sessions (user_id, part_size_bytes, expires_at)
      VALUES ('user', 5242880, now()) RETURNING id
    ), moc AS (
      INSERT INTO moc_instructions (user_id, title) VALUES ('user', 'Castle') RETURNING id
    )
    INSERT INTO moc_files (moc_id, user_id, kind, file_name, mime_type, size_bytes, storage_key, upload_session_id)
    SELECT moc.id, 'user', 'instructions', 'castle.pdf', 'application/pdf', 1, 'key', session.id
    FROM moc, session`);
}
