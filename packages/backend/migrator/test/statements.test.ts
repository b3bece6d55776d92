import { describe, expect, test } from "vitest";
import { lineOf, splitStatements } from "../src/folder/statements.ts";
import { BREAKPOINT } from "./support/folder.ts";
import { titled } from "./support/titled.ts";

const B = "--> statement-breakpoint";

describe("splitStatements", () => {
  test.each(
    titled([
      { title: "an empty file has none", text: "", found: [] },
      { title: "a file of blanks has none", text: " \n\t\r\n", found: [] },
      { title: "one statement is one", text: "SELECT 1;", found: [[1, "SELECT 1;"]] },
      { title: "blank lines before it count", text: "\n\n  SELECT 1;\n", found: [[3, "SELECT 1;"]] },
      {
        title: "a breakpoint on a line of its own",
        text: `A;${BREAKPOINT}B;${BREAKPOINT}C;`,
        found: [
          [1, "A;"],
          [3, "B;"],
          [5, "C;"],
        ],
      },
      {
        title: "a breakpoint at the end of a line, as drizzle-kit writes it",
        text: `A;${B}\nB;${B}\nC;`,
        found: [
          [1, "A;"],
          [2, "B;"],
          [3, "C;"],
        ],
      },
      {
        title: "several statements on one line",
        text: `A;${B}B;`,
        found: [
          [1, "A;"],
          [1, "B;"],
        ],
      },
      { title: "a breakpoint at the end makes no empty statement", text: `A;\n${B}\n`, found: [[1, "A;"]] },
      { title: "a breakpoint at the beginning neither", text: `${B}\nA;`, found: [[2, "A;"]] },
      {
        title: "empty chunks are left out and their lines counted",
        text: `A;\n${B}\n\n${B}\n \n${B}\nB;`,
        found: [
          [1, "A;"],
          [7, "B;"],
        ],
      },
      {
        title: "Windows line ends are kept inside and counted once",
        text: `A\r\n;\r\n${B}\r\n\r\nB\r\n;\r\n`,
        found: [
          [1, "A\r\n;"],
          [5, "B\r\n;"],
        ],
      },
      {
        title: "a byte order mark is not sent to PostgreSQL",
        text: `\uFEFFA;\n${B}\nB;`,
        found: [
          [1, "A;"],
          [3, "B;"],
        ],
      },
      { title: "a byte order mark alone is nothing", text: "\uFEFF", found: [] },
      {
        title: "comments stay with the statement that follows",
        text: "-- why\nA;",
        found: [[1, "-- why\nA;"]],
      },
      {
        title: "several commands without a breakpoint are one statement",
        text: "A;\nB;\nC;",
        found: [[1, "A;\nB;\nC;"]],
      },
    ]),
  )("%s", (_, { text, found }) => {
    expect(splitStatements(text).map(({ line, sql }) => [line, sql])).toEqual(found);
  });
});

describe("lineOf", () => {
  /** The line of a word in the first statement that holds it, its position counted as PostgreSQL does: in characters. */
  function lineOfWord(text: string, word: string): number | undefined {
    const statement = splitStatements(text).find(({ sql }) => sql.includes(word));
    if (statement === undefined) return undefined;
    const before = statement.sql.slice(0, statement.sql.indexOf(word));
    return lineOf(statement, [...before].length + 1);
  }

  test.each(
    titled([
      { title: "on the first line", text: "SELECT oops;", line: 1 },
      { title: "further down", text: "SELECT\n  1,\n  oops;", line: 3 },
      { title: "after comments", text: "-- one\n-- two\nSELECT oops;", line: 3 },
      { title: "in a later statement", text: `SELECT 1;\n${B}\n\nSELECT\n oops;`, line: 5 },
      { title: "with Windows line ends", text: `SELECT 1;\r\n${B}\r\nSELECT\r\n oops;`, line: 4 },
      { title: "after a byte order mark", text: "\uFEFFSELECT\n oops;", line: 2 },
      {
        title: "after letters of two and four bytes",
        text: "SELECT 'äöü',\n '🧱🧱🧱🧱',\n oops\n;\n\n\n",
        line: 3,
      },
    ]),
  )("%s", (_, { text, line }) => {
    expect(lineOfWord(text, "oops")).toBe(line);
  });

  test.each(
    titled([
      { title: "without a position, the statement's own line", text: "SELECT 1;", line: 1 },
      {
        title: "leading comments are passed over",
        text: "-- what\n/* why\n   so */\n\nALTER TABLE a;",
        line: 5,
      },
      { title: "a comment further in is not", text: "ALTER TABLE a -- what\n ADD b int;", line: 1 },
    ]),
  )("%s", (_, { text, line }) => {
    const [statement] = splitStatements(text);
    expect(statement && lineOf(statement, undefined)).toBe(line);
  });
});
