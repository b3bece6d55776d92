import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestDatabase } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { migrate, plan, status } from "../src/index.ts";
import { documentOf, runCli } from "./support/cli.ts";
import { exists, failureOf } from "./support/database.ts";
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
      await run("generate", "--name", "author", "--migrations", "drizzle", "--no-prove", ...flags);
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

/** A database, and a project whose folder has a file that the journal does not name. */
async function withOrphan(severities: object, files: Readonly<Record<string, string>> = {}) {
  const database = await createTestDatabase();
  const folder = await makeFolder(THREE);
  await writeFile(join(folder, "0009_lost.sql"), "SELECT 1;");
  const project = await makeProject({
    "migrator.config.mjs": `export default { migrations: ${JSON.stringify(folder)}, schema: "schema.ts", severities: ${JSON.stringify(severities)} };`,
    ...files,
  });
  return { database, input: { config: join(project, "migrator.config.mjs"), url: database.url } };
}

type Told = readonly { readonly code: string; readonly severity: string }[];

function codesOf(problems: Told): readonly string[] {
  return problems.map(({ code, severity }) => `${severity} ${code}`);
}

test("strict counts for plan, status and migrate from code as well", async () => {
  const { database, input } = await withOrphan({ "schema-ahead": "off" });
  expect(codesOf((await plan(input)).problems)).toEqual(["warning not-in-journal"]);
  const strict = { ...input, strict: true };
  expect(codesOf((await plan(strict)).problems)).toEqual(["error not-in-journal"]);
  expect(codesOf((await status(strict)).problems)).toEqual(["error not-in-journal"]);
  expect(await failureOf(migrate(strict))).toMatchObject({ code: "not-in-journal" });
  expect(await exists(database.sql, "author")).toBe(false);
});

test("a schema that points nowhere is said so, where it is looked for", async () => {
  const { database, input } = await withOrphan({ "not-in-journal": "off" });
  const astray = { ...input, schema: "none/schema.ts" };
  expect((await status(astray)).problems).toEqual([]);
  const error = await failureOf(migrate({ ...astray, strict: true }));
  expect(error).toMatchObject({ code: "schema-unchecked", fix: expect.stringContaining("`schema`") });
  expect(await exists(database.sql, "author")).toBe(false);
});

describe("severities in migrator.config.js", () => {
  test("count for migrate, status and plan", async () => {
    const { database, input } = await withOrphan({ "not-in-journal": "error" });
    expect(codesOf((await status(input)).problems)).toEqual(["error not-in-journal"]);
    expect(codesOf((await plan(input)).problems)).toEqual(["error not-in-journal"]);
    expect(await failureOf(migrate(input))).toMatchObject({ code: "not-in-journal" });
    expect(await exists(database.sql, "author")).toBe(false);
  });

  test("can turn a problem off, also for --strict", async () => {
    const { input } = await withOrphan({ "not-in-journal": "off", "schema-ahead": "off" });
    const strict = { ...input, strict: true };
    // There is no schema.ts: whoever looked would fail.
    expect((await status(strict)).problems).toEqual([]);
    expect((await migrate(strict)).applied).toHaveLength(3);
  });

  test("that make schema-ahead an error have migrate look for it without --strict, and stop", async () => {
    const database = await createTestDatabase();
    const migrations = await makeFolder([]);
    const project = await makeProject({
      "schema.ts": SCHEMA,
      "migrator.config.mjs": `export default { schema: "schema.ts", severities: { "schema-ahead": "error" } };`,
    });
    const input = { config: join(project, "migrator.config.mjs"), migrations, url: database.url };
    expect(await failureOf(migrate(input))).toMatchObject({ code: "schema-ahead" });
  });

  test("with a code that there is not are refused", async () => {
    const project = await makeProject({
      "migrator.config.js": `export default { migrations: ".", severities: { "not-in-jurnal": "off" } };`,
    });
    const refused = await runCli(["status", "--url", "postgres://u@127.0.0.1:1/x"], { cwd: project });
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("severities") });
  });
});
