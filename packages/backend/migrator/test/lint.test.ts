import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { adminUrl } from "@repo/test-database";
import { expect, test } from "vitest";
import { documentOf, runCli } from "./support/cli.ts";
import { type MigrationFiles, writeMigrations } from "./support/folder.ts";
import { temporaryFolder } from "./support/temporary.ts";

const FIRST: MigrationFiles = {
  tag: "0000_first",
  sql: "CREATE TABLE account (id int PRIMARY KEY, email text);\nCREATE INDEX account_id ON account (id);",
};

const INDEX: MigrationFiles = {
  tag: "0001_index",
  sql: 'SELECT 1;\n--> statement-breakpoint\nCREATE INDEX "account_email" ON "account" ("email");',
};

/** A repository whose branch `main` has the first migration. */
async function repository() {
  const root = await temporaryFolder();
  const folder = join(root, "db", "migrations");
  const git = (...args: readonly string[]) =>
    execFileSync("git", ["-C", root, "-c", "user.name=a", "-c", "user.email=a@b", ...args], {
      stdio: "ignore",
    });
  git("init", "--initial-branch=main");
  await writeMigrations(folder, [FIRST]);
  git("add", "--all");
  git("commit", "--message=first");
  const lint = (...flags: readonly string[]) =>
    runCli(["lint", "--migrations", folder, "--url", adminUrl(), ...flags], { cwd: root });
  return { folder, git, lint };
}

test("a new index without CONCURRENTLY is found, on its file and line, with the measured lock", async () => {
  const { folder, lint } = await repository();
  await writeMigrations(folder, [FIRST, INDEX]);
  const { exitCode, stdout } = await lint("--base", "main", "--github");
  expect(exitCode).toBe(1);
  expect(stdout).toContain("SHARE on public.account");
  expect(stdout).toMatch(
    /^::error file=db\/migrations\/0001_index\.sql,line=3,title=index-without-concurrently::/m,
  );
  expect(stdout).toContain("CREATE INDEX CONCURRENTLY account_email ON public.account");
});

test("what the base has is not looked at, and on an empty database no table is in use", async () => {
  const { lint } = await repository();
  expect(await lint("--base", "main")).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining("0 new since main"),
  });
  expect(await lint()).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("no hazards") });
});

test("what was merged to the base since the branch was begun is neither new nor gone", async () => {
  const { folder, git, lint } = await repository();
  git("switch", "--create", "branch");
  await writeMigrations(folder, [FIRST, INDEX]);
  git("add", "--all");
  git("commit", "--message=index");
  git("switch", "main");
  await writeMigrations(folder, [FIRST, { tag: "0001_other", sql: "SELECT 1;" }]);
  git("add", "--all");
  git("commit", "--message=other");
  git("switch", "branch");
  const document = documentOf(await lint("--base", "main", "--json"));
  expect(document).toMatchObject({ base: "main", migrations: [{ tag: "0001_index" }] });
});

test("a ref that git does not know is told, with the fix", async () => {
  const { lint } = await repository();
  expect(await lint("--base", "nowhere")).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("git fetch"),
  });
});

test("an accepted hazard is shown with its reason, and does not count", async () => {
  const { folder, lint } = await repository();
  const sql =
    '-- allow: index-without-concurrently the table is small, and the service is down meanwhile\nCREATE INDEX "i" ON "account" ("email");';
  await writeMigrations(folder, [FIRST, { tag: "0001_index", sql }]);
  const { exitCode, stdout } = await lint("--base", "main");
  expect(stdout).toMatch(
    /accepted +index-without-concurrently: .*the table is small, and the service is down meanwhile/,
  );
  expect(exitCode).toBe(0);
});

test("a statement that no server would run fails it, one that only lacks rows does not", async () => {
  const { folder, lint } = await repository();
  await writeMigrations(folder, [FIRST, { tag: "0001_wrong", sql: "ALTER TABLE missing ADD a int;" }]);
  const wrong = await lint("--base", "main");
  expect(wrong.stdout).toMatch(/fails +it fails on a copy of the schema: relation "missing" does not exist/);
  expect(wrong.exitCode).toBe(1);
  const raises = "DO $$ BEGIN IF NOT EXISTS (SELECT FROM account) THEN RAISE 'no account'; END IF; END $$;";
  await writeMigrations(folder, [FIRST, { tag: "0001_raises", sql: raises }]);
  const raised = await lint("--base", "main");
  expect(raised.stdout).toMatch(
    /unknown +it fails on a copy of the schema, perhaps not on the target's rows: no account/,
  );
  expect(raised.exitCode).toBe(0);
});
