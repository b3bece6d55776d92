import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startEmbeddedServer } from "../src/index.ts";
import { type CliResult, documentOf, errorOf, runCli, startCli } from "./support/cli.ts";
import { BREAKPOINT, makeFolder, THREE, tagsOf } from "./support/folder.ts";
import { temporaryFolder } from "./support/temporary.ts";

const URL_SAID = /postgres:\/\/postgres@127\.0\.0\.1:\d+\/dev/;

/** Folders in which these tests may have started a server. */
const roots: string[] = [];

/** Data folder of the embedded server of a project. */
function dataOf(root: string): string {
  return join(root, ".postgres", "17", "data");
}

/** Process id of the server that a folder's postmaster.pid names; undefined where there is none. */
async function postmasterOf(root: string): Promise<number | undefined> {
  const text = await readFile(join(dataOf(root), "postmaster.pid"), "utf8").catch(() => undefined);
  return text === undefined ? undefined : Number(text.split("\n")[0]);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Whether someone takes connections on a port of this machine. */
async function listens(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const answer = await Promise.race([
    once(socket, "connect").then(() => true),
    once(socket, "error").then(() => false),
  ]).catch(() => false);
  socket.destroy();
  return answer;
}

/** Nothing runs in the folder, and nobody is said to use it. */
async function expectStopped(root: string): Promise<void> {
  expect(await postmasterOf(root)).toBeUndefined();
  expect(await readdir(join(root, ".postgres", "17", "users"))).toEqual([]);
  expect(await readdir(join(root, ".postgres", "17"))).not.toContain("lock");
}

function urlIn(result: Pick<CliResult, "stderr" | "stdout">): string | undefined {
  return URL_SAID.exec(`${result.stdout}\n${result.stderr}`)?.[0];
}

// Whatever a failing test left running is stopped here, by its process id.
afterAll(async () => {
  for (const root of roots) {
    const pid = await postmasterOf(root);
    if (pid === undefined || !isAlive(pid)) continue;
    process.kill(pid, "SIGINT");
    while ((await postmasterOf(root)) !== undefined) await sleep(20);
  }
});

/** One project for the tests of this file: making a cluster takes a second. */
let root = "";

beforeAll(async () => {
  root = await temporaryFolder();
  roots.push(root);
});

/** Runs a verb in the project, with nothing configured. */
function run(verb: string, folder: string, ...more: string[]): Promise<CliResult> {
  return runCli([verb, "--migrations", folder, ...more], { cwd: root });
}

describe("with nothing configured", () => {
  test("migrate uses an embedded server, says so with its URL and how to use one's own, and stops it", async () => {
    // Only its owner may enter the folder around it, and PostgreSQL refuses to run as root.
    expect((await stat(dirname(root))).mode & 0o777).toBe(0o700);
    // None of these may reach the server or its client.
    const env = {
      PGDATA: "/nowhere",
      PGPORT: "1",
      PGOPTIONS: "-c nonsense=1",
      PGPASSWORD: "no",
      PGDATABASE: "no",
    };
    const folder = await makeFolder(THREE);
    const result = await runCli(["migrate", "--migrations", folder], { cwd: root, env });
    expect(result.exitCode).toBe(0);
    expect(result.stdout).toMatch(
      /applied 3 migrations in .*; database dev at 127\.0\.0\.1:\d+ \(PostgreSQL 17\.\d+\)/,
    );
    const lines = result.stderr.split("\n").filter((line) => line.includes("embedded"));
    expect(lines).toEqual([
      `no database is configured: using the embedded PostgreSQL at ${urlIn(result)} (set DATABASE_URL to use your own)`,
    ]);
    await expectStopped(root);
    expect(await listens(Number(new URL(urlIn(result) ?? "").port))).toBe(false);
    expect(await readFile(join(root, ".postgres", ".gitignore"), "utf8")).toBe("*\n");

    // What was applied is still there when the server is started again.
    expect(documentOf(await run("status", folder, "--json"))).toMatchObject({
      database: "dev",
      migrations: tagsOf(THREE).map((tag) => ({ tag, state: "applied" })),
    });
    await expectStopped(root);
  });

  test("a failing command stops the server too", async () => {
    const folder = await makeFolder([{ tag: "0000_bad", sql: "SELECT oops;", when: 1 }]);
    expect((await run("migrate", folder)).exitCode).toBe(1);
    await expectStopped(root);
  });

  test("a mistake in the folder is found before a server is started", async () => {
    const empty = await temporaryFolder();
    const result = await runCli(["migrate", "--migrations", empty], { cwd: empty });
    expect(result.exitCode).toBe(2);
    expect(await readdir(empty)).toEqual([]);
  });

  test("two commands at once share one server, and the last to end stops it", async () => {
    const folder = await makeFolder([
      { tag: "0000_slow", sql: `CREATE TABLE slow ();${BREAKPOINT}SELECT pg_sleep(0.3);` },
    ]);
    const ledger = ["--ledger-table", "at_once"];
    const results = await Promise.all([
      run("migrate", folder, ...ledger),
      run("migrate", folder, ...ledger),
      run("status", folder, ...ledger),
    ]);
    expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
    expect(new Set(results.map(urlIn)).size).toBe(1);
    expect(urlIn(results[0])).toBeDefined();
    const applied = results.slice(0, 2).map(({ stdout }) => stdout.match(/^0000_slow {2}/gm)?.length ?? 0);
    expect(applied.sort()).toEqual([0, 1]);
    await expectStopped(root);
  });

  test("another port is taken where the usual one is in use", async () => {
    const occupied = createServer();
    // In use already, by another test run or a developer's own: just as good.
    await new Promise((go) => occupied.once("listening", go).once("error", go).listen(54_317, "127.0.0.1"));
    try {
      const result = await run("status", await makeFolder(THREE));
      expect(result.exitCode).toBe(0);
      expect(urlIn(result)).not.toContain(":54317/");
    } finally {
      occupied.close();
    }
  });

  test("it works in a folder that everybody may enter, also for root", async () => {
    const parent = await mkdtemp(join(tmpdir(), "migrator-open-"));
    await chmod(parent, 0o755);
    roots.push(parent);
    try {
      const result = await runCli(["migrate", "--migrations", await makeFolder(THREE)], { cwd: parent });
      expect(result).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("applied 3 migrations") });
      await expectStopped(parent);
    } finally {
      await rm(parent, { recursive: true, force: true });
    }
  });
});

describe("dev", () => {
  test.each(["SIGINT", "SIGTERM"] as const)(
    "keeps the server running for the other commands, and %s stops it with exit 0",
    async (signal) => {
      const dev = await startCli(["dev", "--json"], { cwd: root });
      await dev.untilItSays("Ctrl-C stops it");
      const port = await portOf(root);
      const result = await run("status", await makeFolder(THREE));
      expect(result.exitCode).toBe(0);
      const sql = postgres(urlIn(result) ?? "", { max: 1 });
      expect(await sql`select current_database() as name`).toEqual([{ name: "dev" }]);
      await sql.end();
      dev.kill(signal);
      const ended = await dev.done;
      expect(ended.exitCode).toBe(0);
      expect(documentOf(ended)).toEqual({ url: urlIn(result) });
      expect(ended.stderr).toContain("stopped");
      await expectStopped(root);
      expect(await listens(port)).toBe(false);
    },
  );

  test("of two, the first to end leaves the server to the other", async () => {
    const first = await startCli(["dev"], { cwd: root });
    await first.untilItSays("started");
    const second = await startCli(["dev"], { cwd: root });
    await second.untilItSays("already running");
    const pid = await postmasterOf(root);
    first.kill("SIGINT");
    expect((await first.done).exitCode).toBe(0);
    expect(await postmasterOf(root)).toBe(pid);
    second.kill("SIGINT");
    expect((await second.done).exitCode).toBe(0);
    await expectStopped(root);
  });
});

async function portOf(folder: string): Promise<number> {
  const text = await readFile(join(dataOf(folder), "postmaster.pid"), "utf8");
  return Number(text.split("\n")[3]);
}

describe("after a crash", () => {
  test("of dev, the next command uses the server that was left, and stops it", async () => {
    const dev = await startCli(["dev"], { cwd: root });
    await dev.untilItSays("Ctrl-C stops it");
    const port = await portOf(root);
    dev.kill("SIGKILL");
    await dev.done;
    expect(await listens(port)).toBe(true);
    const result = await run("status", await makeFolder(THREE));
    expect(result).toMatchObject({ exitCode: 0, stderr: expect.stringContaining(`:${port}/`) });
    await expectStopped(root);
    expect(await listens(port)).toBe(false);
  });

  test("of a migrate in the middle of a migration, the next one finishes the work", async () => {
    const folder = await makeFolder([
      { tag: "0000_quick", sql: "CREATE TABLE quick ();" },
      { tag: "0001_crash", sql: `CREATE TABLE crash ();${BREAKPOINT}SELECT pg_sleep(0.6);` },
    ]);
    const args = ["--migrations", folder, "--ledger-table", "crashed"];
    const migrating = await startCli(["migrate", ...args], { cwd: root });
    await migrating.untilItSays("0000_quick ");
    migrating.kill("SIGKILL");
    await migrating.done;
    const result = await runCli(["migrate", ...args], { cwd: root });
    expect(result).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^0001_crash {2}.*\napplied 1 migration in .* \(1 before\)/),
    });
    await expectStopped(root);
  });

  test("of a command while it started the server, its lock is taken over", async () => {
    const dead = await startCli(["--version"]);
    await dead.done;
    const folder = join(root, ".postgres", "17");
    await mkdir(join(folder, "users"), { recursive: true });
    await writeFile(join(folder, "lock"), String(dead.pid));
    await writeFile(join(folder, "users", String(dead.pid)), "");
    expect(await run("status", await makeFolder(THREE))).toMatchObject({ exitCode: 0 });
    await expectStopped(root);
  });
});

test("dev does not start in production", async () => {
  const root = await temporaryFolder();
  const result = await runCli(["dev"], { cwd: root, env: { NODE_ENV: "production" } });
  expect(result).toMatchObject({
    exitCode: 2,
    stdout: "",
    stderr: expect.stringContaining("NODE_ENV is production"),
  });
});

describe("reset", () => {
  test("gives an empty database, also while someone is connected, and makes one that a URL names", async () => {
    const dev = await startCli(["dev"], { cwd: root });
    await dev.untilItSays("Ctrl-C stops it");
    const port = await portOf(root);
    const open = (database: string) =>
      postgres({ host: "127.0.0.1", port, user: "postgres", database, max: 1, onnotice: () => {} });
    const guest = open("dev");
    await guest`create table mine ()`;
    const result = await runCli(["reset"], { cwd: root });
    await guest.end();
    expect(result.exitCode).toBe(0);
    expect(result.stdout).toMatch(
      /^database dev at 127\.0\.0\.1:\d+ \(PostgreSQL 17\.\d+\) was dropped and made anew; it is empty\n$/,
    );
    const after = open("dev");
    expect(await after`select nspname from pg_namespace where nspname !~ '^(pg_|information)'`).toEqual([
      { nspname: "public" },
    ]);
    expect(await after`select tablename from pg_tables where schemaname = 'public'`).toEqual([]);
    await after.end();

    const name = 'odd "one"';
    const url = `postgres://postgres@localhost:${port}/${encodeURIComponent(name)}`;
    const other = await runCli(["reset", "--json", "--url", url]);
    expect(documentOf(other)).toEqual({
      database: name,
      server: expect.stringMatching(new RegExp(`^localhost:${port} \\(PostgreSQL 17`)),
    });
    const odd = open(name);
    expect(await odd`select current_database() as name`).toEqual([{ name }]);
    await odd.end();
    dev.kill("SIGINT");
    await dev.done;
  });

  test.each([
    ["another host", "postgres://db.example.org/moc", "not-local", "db.example.org is not this machine"],
    [
      "another host in a parameter",
      "postgres://localhost/moc?host=db.example.org",
      "not-local",
      "db.example.org",
    ],
    [
      "the server's own database",
      "postgres://localhost/postgres",
      "server-database",
      "postgres is the server's own",
    ],
    ["a template", "postgres://localhost/template1", "server-database", "template1 is the server's own"],
  ])("refuses %s, exit 2", async (_, url, code, message) => {
    const result = await runCli(["reset", "--json", "--url", url]);
    expect(result.exitCode).toBe(2);
    expect(errorOf(result)).toMatchObject({
      code,
      message: expect.stringContaining(message),
      state: "nothing was dropped",
    });
  });

  test("refuses in production, whatever the database", async () => {
    const url = "postgres://localhost/moc";
    const result = await runCli(["reset", "--json", "--url", url], { env: { NODE_ENV: "production" } });
    expect(result.exitCode).toBe(2);
    expect(errorOf(result)).toMatchObject({ code: "production", state: "nothing was dropped" });
  });
});

describe("a server of one's own", () => {
  test("that is a standby is found out before anything is written, and status works there", async () => {
    const folder = await makeFolder([
      { tag: "0000_one", sql: "SELECT 1;" },
      { tag: "0001_two", sql: "SELECT 2;" },
    ]);
    const ledger = ["--ledger-table", "standby"];
    await run("migrate", folder, ...ledger, "--to", "0000_one");
    // Recovers for ever, as a standby without a primary does.
    const signal = join(dataOf(root), "standby.signal");
    await writeFile(signal, "");
    const standby = await startEmbeddedServer({ dataFolder: dataOf(root) });
    try {
      const args = [
        "--json",
        "--migrations",
        folder,
        ...ledger,
        "--url",
        standby.url.replace(/postgres$/, "dev"),
      ];
      const [migrated, rolledBack, status] = await Promise.all([
        runCli(["migrate", ...args]),
        runCli(["rollback", ...args]),
        runCli(["status", ...args]),
      ]);
      expect([migrated.exitCode, rolledBack.exitCode, status.exitCode]).toEqual([2, 2, 0]);
      expect(errorOf(migrated)).toMatchObject({
        code: "standby",
        state: "nothing was applied",
        fix: expect.stringContaining("connect to the primary"),
      });
      expect(errorOf(rolledBack)).toMatchObject({ code: "standby" });
      expect(documentOf(status)).toMatchObject({ migrations: [{ state: "applied" }, { state: "pending" }] });
    } finally {
      await standby.stop();
      await rm(signal);
    }
  });
});
