import { readFile } from "node:fs/promises";
import { createTestDatabase } from "@repo/test-database";
import { expect, test } from "vitest";
import { documentOf, runCli } from "./support/cli.ts";
import { makeFolder, THREE } from "./support/folder.ts";

/** Names of the fields that docs/formats.md gives the verb's document; those in brackets belong to its parts. */
async function documented(verb: string): Promise<readonly string[]> {
  const page = await readFile(new URL("../docs/formats.md", import.meta.url), "utf8");
  const row = new RegExp(`^\\| \`${verb}\` +\\| \`\\{(.*?)\\}\`[^\`]`, "m").exec(page)?.[1] ?? "";
  return row
    .replaceAll(/: \[.*?\]/g, "")
    .split(", ")
    .sort();
}

test("the documents of --json hold exactly the documented fields", async () => {
  const database = await createTestDatabase();
  const target = ["--json", "--migrations", await makeFolder(THREE), "--url", database.url];
  const verbs: readonly (readonly [string, ...string[]])[] = [
    ["migrate"],
    ["status"],
    ["repair"],
    ["v1-check"],
    ["check"],
    ["rollback", "--steps", "1"],
  ];
  for (const [verb, ...more] of verbs) {
    const document = documentOf(await runCli([verb, ...more, ...target]));
    expect([verb, Object.keys(document).sort()]).toEqual([verb, await documented(verb)]);
  }
  await database.sql`truncate drizzle.__drizzle_migrations`;
  const baseline = documentOf(await runCli(["baseline", "--to", "0001_author_born", ...target]));
  expect(Object.keys(baseline).sort()).toEqual(await documented("baseline"));
  const runs = documentOf(await runCli(["status", "--runs", "1", ...target])).runs as readonly object[];
  const page = await readFile(new URL("../docs/formats.md", import.meta.url), "utf8");
  const names = /^- `runs`: `\[\{(.*?)\}\]`/m.exec(page)?.[1]?.split(", ");
  expect(Object.keys(runs[0] ?? {})).toEqual(names);
});
