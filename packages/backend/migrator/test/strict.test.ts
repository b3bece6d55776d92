import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestDatabase } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { documentOf, runCli } from "./support/cli.ts";
import { exists } from "./support/database.ts";
import { makeFolder, THREE } from "./support/folder.ts";
import { makeProject } from "./support/project.ts";

const SCHEMA = `import { integer, pgTable } from "drizzle-orm/pg-core";
export const author = pgTable("author", { id: integer("id").primaryKey() });
`;

describe("--strict", () => {
  test("stops migrate at a warning, with nothing written, and status ends with exit 1", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder(THREE);
    await writeFile(join(folder, "0009_lost.sql"), "SELECT 1;");
    const target = ["--migrations", folder, "--url", database.url];
    expect(await runCli(["status", ...target])).toMatchObject({ exitCode: 0 });
    expect(await runCli(["status", "--strict", ...target])).toMatchObject({ exitCode: 1 });
    const refused = await runCli(["migrate", "--strict", ...target]);
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("0009_lost.sql") });
    expect(await exists(database.sql, "author")).toBe(false);
    expect(await runCli(["migrate", ...target])).toMatchObject({ exitCode: 0 });
  });

  test.each([
    ["by its file", ["--schema", "schema.ts"], {}],
    [
      "by drizzle-kit's config",
      ["--drizzle-config", "drizzle.config.ts"],
      {
        "drizzle.config.ts":
          'export default { dialect: "postgresql", schema: "./schema.ts", out: "./drizzle" };',
      },
    ],
  ])(
    "finds a schema ahead of the migrations, where it is known %s, and leaves no file behind",
    async (_, flags, files) => {
      const project = await makeProject({ "schema.ts": SCHEMA, ...files });
      const database = await createTestDatabase();
      const run = (...args: readonly string[]) => runCli(args, { cwd: project });
      await run("generate", "--name", "author", "--migrations", "drizzle", ...flags);
      const config = Object.entries({ "--schema": "schema", "--drizzle-config": "drizzleConfig" })
        .filter(([flag]) => flags[0] === flag)
        .map(([, key]) => `${key}: "./${flags[1]}"`);
      await writeFile(
        join(project, "migrator.config.js"),
        `export default { migrations: "./drizzle", ${config.join(", ")} };`,
      );
      const before = await readdir(project);
      const codes = async (...more: readonly string[]) => {
        const { problems } = documentOf(await run("status", "--json", "--url", database.url, ...more)) as {
          problems: readonly { code: string; severity: string }[];
        };
        return problems.map(({ code, severity }) => [code, severity]);
      };
      expect(await codes("--strict")).toEqual([]);
      await writeFile(
        join(project, "schema.ts"),
        SCHEMA.replace("primaryKey() }", 'primaryKey(), born: integer("born") }'),
      );
      expect(await codes()).toEqual([]);
      expect(await codes("--strict")).toEqual([["schema-ahead", "error"]]);
      expect(await readdir(project)).toEqual(before);
    },
  );
});

describe("severities in migrator.config.js", () => {
  test("count for migrate and status", async () => {
    const database = await createTestDatabase();
    const folder = await makeFolder(THREE);
    await writeFile(join(folder, "0009_lost.sql"), "SELECT 1;");
    const project = await makeProject({
      "migrator.config.js": `export default { migrations: ${JSON.stringify(folder)}, severities: { "not-in-journal": "error" } };`,
    });
    const refused = await runCli(["migrate", "--url", database.url], { cwd: project });
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("0009_lost.sql") });
    expect(await exists(database.sql, "author")).toBe(false);
  });

  test("with a code that there is not are refused", async () => {
    const project = await makeProject({
      "migrator.config.js": `export default { migrations: ".", severities: { "not-in-jurnal": "off" } };`,
    });
    const refused = await runCli(["status", "--url", "postgres://u@127.0.0.1:1/x"], { cwd: project });
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("severities") });
  });
});
