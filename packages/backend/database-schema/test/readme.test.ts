import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../../../", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");
const scripts = Object.keys(
  (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: object }).scripts,
);

/** Contents of the fenced blocks below a heading, in order, without their indentation. */
function blocksOf(heading: string): readonly string[] {
  const section = readme.split(/^#+ /m).find((part) => part.startsWith(heading)) ?? "";
  return [...section.matchAll(/^( *)```\w*\n([\s\S]*?)^\1```/gm)].map(([, indent = "", text = ""]) =>
    text.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  );
}

/** `$ command` lines with the output shown below each. */
function transcriptsOf(heading: string): readonly { command: string; output: string }[] {
  return blocksOf(heading)
    .filter((block) => block.startsWith("$ "))
    .flatMap((block) => block.split(/^\$ /m).slice(1))
    .map((part) => ({ command: part.split("\n")[0] ?? "", output: part.split("\n").slice(1).join("\n") }));
}

/** What differs from run to run and from machine to machine. */
function steady(text: string): string {
  return text
    .replaceAll(/\d+(\.\d+)? (ms|s)\b/g, "<time>")
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/g, "<moment>")
    .replaceAll(/127\.0\.0\.1:\d+/g, "<server>")
    .replaceAll(/\(PostgreSQL [\d.]+\)/g, "(<version>)")
    .replaceAll(/ +/g, " ")
    .trim();
}

const journal = JSON.parse(
  readFileSync(join(root, "packages/backend/database-schema/src/migrations/app/meta/_journal.json"), "utf8"),
) as { entries: { tag: string }[] };
const tags = journal.entries.map(({ tag }) => tag);

/** The migrations that lay in the folder when the README was written. */
const shownTags = [...(blocksOf("Collectors' platform")[1] ?? "").matchAll(/^\d{4}_\w+(?= {2})/gm)].map(
  String,
);

const numbered = (index: number) => String(index).padStart(4, "0");

/** What a command says to stderr: where its database is, how many migrations are to run, and what each will do. */
const ASIDE = /^\s*(no database|applying|\d{4}_\w+: )/;

/** What the README shows, as the same commands print it now that the folder may hold more migrations than it shows. */
function movedOn(text: string): string {
  const [shown, now] = [shownTags.length, tags.length];
  const lastShown = shownTags.at(-1) ?? "";
  return text
    .replaceAll(`${numbered(shown)}_`, `${numbered(now)}_`)
    .replaceAll(new RegExp(`^( *)${lastShown}\\b`, "gm"), `$1${tags.at(-1)}`)
    .replaceAll(`(${shown} before)`, `(${now} before)`)
    .replaceAll(`${shown} applied`, `${now} applied`);
}

const [mainCommands = ""] = blocksOf("Collectors' platform");
const commands = mainCommands.trim().split("\n");

describe("the README's two commands", () => {
  test("are the main job and the tests, run by npx alone", () => {
    expect(commands).toEqual(["npx -y pnpm@12.21.0 db:migrate", "npx -y pnpm@12.21.0 test"]);
  });

  test("stand in .ci/run and in the GitHub workflow exactly as in the README", () => {
    for (const file of [".ci/run", ".github/workflows/ci.yml"]) {
      const text = readFileSync(join(root, file), "utf8");
      for (const command of commands) expect(text, `${file} lacks: ${command}`).toContain(command);
    }
  });

  test("use the pnpm that package.json names", () => {
    const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      packageManager: string;
    };
    for (const command of commands) expect(command).toContain(packageManager);
  });
});

test("every pnpm command that the README or the runbook names is a script of package.json", () => {
  const runbook = readFileSync(join(root, "packages/backend/database-schema/docs/runbook.md"), "utf8");
  const named = [...`${readme}\n${runbook}`.matchAll(/\bpnpm(?:@[\d.]+)? ([a-z]+(?::[a-z]+)?)/g)].map(
    (match) => match[1],
  );
  const builtIn = ["exec"];
  expect(new Set(named)).toEqual(
    new Set([...named.filter((name) => scripts.includes(name ?? "") || builtIn.includes(name ?? ""))]),
  );
  for (const script of scripts.filter((name) => name.startsWith("db:"))) expect(named).toContain(script);
});

test("every file that the README links to exists", () => {
  const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)/g)].map((match) => match[1] ?? "");
  expect(links.length).toBeGreaterThan(5);
  for (const link of links) expect(existsSync(join(root, link)), link).toBe(true);
});

test("the migrations that the README shows are the folder's first, and at least the first eight", () => {
  expect(shownTags).toEqual(tags.slice(0, shownTags.length));
  expect(shownTags.length).toBeGreaterThanOrEqual(8);
  const announced = `applying ${shownTags.length} migrations\n`;
  expect(blocksOf("Collectors' platform")[1]).toContain(announced);
});

describe("in a copy of the repository", () => {
  const copy = mkdtempSync(join(tmpdir(), "readme-"));
  // Settings of the machine must not decide which database this is; pnpm must not install into linked node_modules.
  const clean = Object.entries(process.env).filter(
    ([name]) => !/^(DATABASE_URL|POSTGRES_|PG|NODE_ENV|VITEST)/.test(name),
  );
  const env = { ...Object.fromEntries(clean), NO_COLOR: "1", pnpm_config_verify_deps_before_run: "false" };
  const server = { stop: async () => {} };

  const execute = async (command: string) => {
    const [file = "", ...args] = command.split(" ");
    return run(file, args, { cwd: copy, env });
  };

  beforeAll(async () => {
    copyTree(copy);
    // One server for all commands, as a person who looks in with psql would have it.
    const dev = spawn("pnpm", ["-s", "db:dev"], {
      cwd: copy,
      env,
      stdio: ["ignore", "pipe", "inherit"],
      detached: true,
    });
    await once(dev.stdout, "data");
    server.stop = async () => {
      process.kill(-(dev.pid ?? 0), "SIGINT");
      await once(dev, "exit");
    };
  });

  afterAll(async () => {
    await server.stop();
    rmSync(copy, { recursive: true, force: true });
  });

  test("the main job prints what the README shows", async () => {
    const { stdout } = await execute("pnpm -s db:migrate");
    const shown = (blocksOf("Collectors' platform")[1] ?? "").split("\n").filter((line) => !ASIDE.test(line));
    // A migration that came after the README was written has its line below those it shows, and counts.
    const lines = shown.toSpliced(
      shownTags.length,
      0,
      ...tags.slice(shownTags.length).map((tag) => `${tag}  1 ms`),
    );
    const wanted = lines.join("\n").replace(`applied ${shownTags.length} `, `applied ${tags.length} `);
    expect(steady(stdout)).toBe(steady(wanted));
  });

  test("changing the schema goes as the README tells, command by command and line by line", async () => {
    addRating(copy);
    const transcripts = transcriptsOf("Change the schema");
    expect(transcripts.length).toBeGreaterThanOrEqual(5);
    for (const { command, output } of transcripts) {
      const { stdout } = await execute(command.replace(/^pnpm /, "pnpm -s "));
      expectShown(stdout, movedOn(output), command);
    }
    expect((await execute("pnpm -s db:status --fail-on-pending")).stdout).toContain(
      `${tags.length + 1} applied`,
    );
  });

  test("the example for another folder and database runs", async () => {
    const [example = ""] = blocksOf("Commands");
    const status = (await execute("pnpm -s db:status --json")).stdout;
    const { server: address } = JSON.parse(status) as { server: string };
    const there = `postgres://postgres@${address.split(" ")[0]}/dev`;
    const { stdout } = await execute(
      example
        .trim()
        .replace(/^pnpm /, "pnpm -s ")
        .replace(/postgres:\/\/\S+/, there),
    );
    expect(stdout).toContain(`${tags.length + 1} applied`);
  });

  test("the clean state empties the database", async () => {
    await execute("pnpm -s db:reset");
    const { stdout } = await execute("pnpm -s db:status");
    expect(stdout).toContain(`${tags.length + 1} pending`);
  });
});

/** Every line of the README stands in the output, in order; a line `…` stands for any number of lines. */
function expectShown(actual: string, shown: string, command: string): void {
  if (shown.trim() === "") return;
  const pattern = steady(shown)
    .split("\n")
    .filter((line) => !ASIDE.test(line))
    .map((line) => (line.trim() === "…" ? "[\\s\\S]*?" : `${literally(line.trim())}\\n?`))
    .join("\\s*");
  expect(steady(actual), command).toMatch(new RegExp(`^\\s*${pattern}$`));
}

function literally(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** The change that the README proposes, made as a person would; under another name once the schema has made it. */
function addRating(copy: string): void {
  const proposed = /`(rating: [^`]+)`/.exec(readme)?.[1] ?? "";
  const file = join(copy, "packages/backend/database-schema/src/schema/wishlist.ts");
  const source = readFileSync(file, "utf8");
  const line = /^ +rating: /m.test(source) ? proposed.replaceAll("rating", "second_rating") : proposed;
  const changed = source.replace(/^( +)notes: /m, `$1${line}\n$1notes: `);
  expect(changed).not.toBe(source);
  writeFileSync(file, changed);
}

/** The tracked files' tree, with the dependencies that are installed here. */
function copyTree(copy: string): void {
  const skipped = /(^|[\\/])(node_modules|\.git|\.postgres|\.turbo|\.env|\.env\.local|\.tmp-[^\\/]*)$/;
  cpSync(root, copy, { recursive: true, filter: (path) => !skipped.test(path) });
  for (const folder of [
    "",
    "packages/backend/migrator",
    "packages/backend/database-schema",
    "packages/backend/test-database",
  ]) {
    symlinkSync(join(root, folder, "node_modules"), join(copy, folder, "node_modules"));
  }
}
