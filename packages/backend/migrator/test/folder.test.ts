import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readFolder } from "../src/folder/read.ts";
import { failureOf } from "./support/database.ts";
import { FIRST_PREV_ID, hashOf, makeFolder, THREE, tagsOf, writeJournal } from "./support/folder.ts";
import { temporaryFolder } from "./support/temporary.ts";

const JOURNAL = { version: "7", dialect: "postgresql", entries: [] };
const ENTRY = { idx: 0, version: "7", when: 1, tag: "0000_one", breakpoints: true };

/** What git leaves where two branches made the same snapshot. */
const CONFLICT = `{
<<<<<<< HEAD
  "id": "ours",
=======
  "id": "theirs",
>>>>>>> branch
  "prevId": "${FIRST_PREV_ID}"
}`;

describe("readFolder", () => {
  test("gives the migrations in the order of the journal, with hash, down file and snapshot", async () => {
    const folder = await makeFolder([THREE[2], THREE[0]]);
    await writeFile(join(folder, "README.md"), "not a migration");
    const { migrations, orphans } = await readFolder(folder);
    expect(migrations.map(({ tag }) => tag)).toEqual(tagsOf([THREE[2], THREE[0]]));
    expect(migrations[0]).toMatchObject({
      up: {
        fileName: "0002_book.sql",
        hash: hashOf(THREE[2].sql ?? ""),
        statements: [{ line: 1 }, { line: 3 }],
      },
      down: {
        fileName: "0002_book.down.sql",
        irreversible: undefined,
        unfinished: undefined,
        unproved: undefined,
        loses: [],
      },
      snapshot: { id: "of 0002_book", prevId: FIRST_PREV_ID },
    });
    expect(orphans).toEqual([]);
  });

  test("names SQL files that the journal does not, but no down files", async () => {
    const folder = await makeFolder([THREE[0]]);
    await writeFile(join(folder, "0002_two.sql"), "");
    await writeFile(join(folder, "0001_one.sql"), "");
    await writeFile(join(folder, "0001_one.down.sql"), "");
    expect((await readFolder(folder)).orphans).toEqual(["0001_one.sql", "0002_two.sql"]);
  });

  test.each([
    ["anywhere in it", JSON.stringify({ tables: "x".repeat(2000), prevId: "a", id: "b" }), "b", "a"],
    ["of which one is missing", JSON.stringify({ id: "b" }), "", ""],
    ["on both sides of a merge conflict", CONFLICT, "", ""],
    ["not at all", "<<<<<<< HEAD", "", ""],
  ])("reads a snapshot that holds its ids %s", async (_, text, id, prevId) => {
    const folder = await makeFolder([THREE[0]]);
    await writeFile(join(folder, "meta", "0000_snapshot.json"), text);
    expect((await readFolder(folder)).migrations[0]?.snapshot).toEqual({ id, prevId });
  });

  test("knows fields of a journal that a later drizzle-kit adds", async () => {
    const folder = await temporaryFolder();
    await writeJournal(folder, { ...JOURNAL, later: true, entries: [{ ...ENTRY, later: true }] });
    expect((await readFolder(folder)).migrations).toMatchObject([
      { tag: "0000_one", up: undefined, snapshot: undefined },
    ]);
  });

  test.each([
    ["another dialect", { ...JOURNAL, dialect: "mysql" }, /^dialect: /],
    ["no entries", { version: "7", dialect: "postgresql" }, /^entries: /],
    ["an entry with an empty tag", { ...JOURNAL, entries: [{ ...ENTRY, tag: "" }] }, /^entries\.0\.tag: /],
    ["a date that is text", { ...JOURNAL, entries: [{ ...ENTRY, when: "today" }] }, /^entries\.0\.when: /],
    [
      "a date that is no whole number",
      { ...JOURNAL, entries: [{ ...ENTRY, when: 1.5 }] },
      /^entries\.0\.when: /,
    ],
    ["a mark of a merge conflict", "{\n<<<<<<< HEAD\n", /^not JSON: /],
    ["a list", [], /^the whole file: /],
    [
      "one migration twice",
      { ...JOURNAL, entries: [ENTRY, { ...ENTRY, idx: 1, when: ENTRY.when + 1 }] },
      /run the file again/,
    ],
    ["nothing", "", /^not JSON: /],
    ["null", null, /^the whole file: /],
  ])("refuses a journal with %s, and says where", async (_, journal, detail) => {
    const folder = await temporaryFolder();
    await writeJournal(folder, journal);
    const error = await failureOf(readFolder(folder));
    expect(error).toMatchObject({ code: "journal-broken", exitCode: 2, state: "nothing was applied" });
    expect(error.details[0]).toMatch(detail);
  });

  test("reads a journal that an editor gave a byte order mark", async () => {
    const folder = await temporaryFolder();
    await writeJournal(folder, `\uFEFF${JSON.stringify({ ...JOURNAL, entries: [ENTRY] })}`);
    expect((await readFolder(folder)).migrations).toMatchObject([{ tag: "0000_one" }]);
  });

  test("reads a journal that an old drizzle-kit began: `drizzle-kit up` leaves it as it is", async () => {
    const folder = await temporaryFolder();
    const entries = [{ ...ENTRY, version: "5" }];
    await writeJournal(folder, { version: "5", dialect: "pg", entries });
    expect((await readFolder(folder)).migrations).toMatchObject([{ tag: "0000_one", when: 1 }]);
  });

  test("refuses an empty folder", async () => {
    const error = await failureOf(readFolder(await temporaryFolder()));
    expect(error).toMatchObject({
      code: "journal-missing",
      fix: expect.stringContaining("migrator generate"),
    });
  });

  test("a folder of another tool is not taken for that of Drizzle v1", async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "2026_one"));
    expect(await failureOf(readFolder(folder))).toMatchObject({ code: "journal-missing" });
  });

  test("neither is one whose files are numbered by time, and whose journal is lost", async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "20260101000000_one.sql"), "SELECT 1;");
    expect(await failureOf(readFolder(folder))).toMatchObject({ code: "journal-missing" });
  });

  test("a folder of both layouts is refused: what runs would depend on who reads it", async () => {
    const folder = await makeFolder(THREE);
    await mkdir(join(folder, "20260101000000_one"));
    await writeFile(join(folder, "20260101000000_one", "migration.sql"), "SELECT 1;");
    const error = await failureOf(readFolder(folder));
    expect(error).toMatchObject({ code: "v1-layout", exitCode: 2, state: "nothing was applied" });
    expect(error.message).toContain("beside a journal");
  });
});
