import { expect, test } from "vitest";
import { keywords } from "../src/folder/keywords.ts";

test.each([
  ["ALTER TABLE a OWNER TO b", true],
  ['ALTER TABLE "a"OWNER TO b', true],
  ['SET ROLE"b"', true],
  ["-- a role", true],
  ['CREATE TABLE "a" ("owner" text, "role" text)', false],
  ['CREATE TABLE "a" ("the role" text)', true],
  ["CREATE TABLE a (ownership text)", false],
])("%s: %s", (text, isFound) => {
  expect(keywords("owner", "role").test(text)).toBe(isFound);
});
