import { parse } from "libpg-query";
import { expect, test } from "vitest";
import { piecesOf } from "../src/folder/pieces.ts";

test.each([
  `CREATE TABLE "a" ("id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL, "n" numeric(10, 2));`,
  "select 'it''s', 1.5e10, a.b[1], $1::text, x -> 'y' ->> 'z', 5 % 3, a || b, n <> 3;",
  "-- a comment\nselect 1 -- and one at the end",
  "select 1 /* ' \" ( $$ */ , 2",
  "/* a ** b // c */ select 1;",
  "create function f() returns int language sql as $$ select 'it''s' ( $$;",
  "do $body$ begin perform '$$'; end $body$;",
  "insert into a values ('ä — ☃ 😀');",
  String.raw`select 'a\', E'it\'s; (', e'\\', '\d+' ; select type 'x'`,
  "select 1 /* a /* b */ ; ' */; select /* x */ 2 /**/",
  `select a$b$c, "a$$b", "it's", U&"d\\0061t"`,
  "select 1; select 2;;",
  ";; select 1; -- one\n select 2 -- two",
  "select 1; /* one */\n",
])("is closed: %s", async (sql) => {
  const pieces = piecesOf(sql, true) ?? [];
  expect(pieces.join("")).toBe(sql);
  // PostgreSQL's parser finds as many commands as there are pieces, and as many more as are put around them.
  const count = async (text: string) => (await parse(text)).stmts?.length ?? 0;
  expect(await count(sql)).toBe(pieces.length);
  expect(await count(`select 7\n;${sql}\n;select 8`)).toBe(pieces.length + 2);
});

test.each(["", " ", ";", "-- only a comment", "/* and */ ;"])(
  "without a command is one piece: '%s'",
  (sql) => {
    expect(piecesOf(sql, true)).toEqual([sql]);
  },
);

test.each([
  ["a string", "select 'a"],
  ["a string that a backslash may have opened again", "select 'a\\'"],
  ["a string of escapes", "select E'a\\'"],
  ["a string with a backslash, where that may mean something", "select 'a\\b'"],
  ["a name", `select "a`],
  ["a comment", "select 1 /* a"],
  ["a comment in a comment", "select 1 /* a /* b */"],
  ["a dollar-quoted string", "do $$ begin end $"],
  ["one with a tag", "do $a$ begin end $b$"],
  ["one behind a number", "select 1$$a$$"],
  ["a name of a space that is none to PostgreSQL", "select \u00a0$$ ' $$"],
  ["a bracket", "create table a (n int"],
  ["a bracket that closes nothing", "select 1)"],
  ["brackets in the wrong order", "select )("],
  ["a rule's actions", "create rule r as on insert to t do also (select 1; select 2)"],
  ["a body with semicolons", "create function f() returns int begin atomic select 1; end"],
  ["a backslash of psql's", "\\d a"],
])("may go on behind its end: %s", (_, sql) => {
  expect(piecesOf(sql, false)).toBe(undefined);
});
