import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { adminUrl, createTestDatabase, createTestRole } from "../src/index.ts";
import { newRunName } from "../src/names.ts";
import { adminSql } from "../src/run.ts";
import { type StartEmbedded, startTestServer } from "../src/server.ts";

/** Refused at once wherever the tests run: nothing listens on port 1. */
const IMPOSSIBLE_IMAGE = "localhost:1/no-such-image:1";

const noEmbedded: StartEmbedded = () => Promise.reject(new Error("this lane must not be taken"));

/** Stands in for the embedded server: the run's own. */
const embeddedStandIn: StartEmbedded = async () => ({ url: adminUrl(), stop: async () => {} });

/** The id of a process that has ended. */
async function deadPid(): Promise<number | undefined> {
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "exit");
  return child.pid;
}

async function writePostmasterPid(folder: string, pid: number | undefined): Promise<void> {
  await mkdir(join(folder, "data"));
  await writeFile(join(folder, "data", "postmaster.pid"), `${pid}\n${folder}/data\n`);
}

async function databaseNames(): Promise<readonly string[]> {
  return (await adminSql()<{ name: string }[]>`select datname as name from pg_database`).map(
    ({ name }) => name,
  );
}

test("a forced Testcontainers lane that cannot start fails and takes no other lane", async () => {
  const env = { TEST_POSTGRES: "testcontainers", TEST_POSTGRES_IMAGE: IMPOSSIBLE_IMAGE };
  await expect(startTestServer({ startEmbedded: noEmbedded }, env)).rejects.toThrow(
    /^TEST_POSTGRES=testcontainers cannot start: (no Docker engine answers|image localhost:1\/no-such-image:1 did not start)/,
  );
});

test("an unforced run whose image is not to be had takes the embedded lane and says so", async () => {
  const lines: string[] = [];
  const options = { startEmbedded: embeddedStandIn, say: (line: string) => lines.push(line) };
  const server = await startTestServer(options, { TEST_POSTGRES_IMAGE: IMPOSSIBLE_IMAGE });
  await server.stop();
  expect(server.lane).toBe("embedded");
  // Without a Docker engine there is nothing to explain.
  for (const line of lines)
    expect(line).toMatch(
      /^test database: Docker answers, but image localhost:1\/no-such-image:1 is neither present nor to be had \(.+\); taking the embedded PostgreSQL instead$/,
    );
  expect(lines.length).toBeLessThanOrEqual(1);
});

test("a forced embedded lane that cannot start fails", async () => {
  const startEmbedded: StartEmbedded = () => Promise.reject(new Error("no binaries"));
  await expect(startTestServer({ startEmbedded }, { TEST_POSTGRES: "embedded" })).rejects.toThrow(
    "no binaries",
  );
});

test("the embedded lane asks for a password and for speed, in a folder that goes with the server", async () => {
  let asked: Parameters<StartEmbedded>[0] | undefined;
  const startEmbedded: StartEmbedded = async (options) => {
    asked = options;
    return embeddedStandIn(options);
  };
  const server = await startTestServer({ startEmbedded }, { TEST_POSTGRES: "embedded" });
  expect(asked?.password).toMatch(/^.{16,}$/);
  expect(asked?.settings).toMatchObject({ fsync: "off", max_connections: "200" });
  const folder = dirname(asked?.dataFolder ?? "");
  await access(folder);
  await server.stop();
  await expect(access(folder)).rejects.toThrow("ENOENT");
});

test("what a killed run left in the temporary folder is stopped and removed by the next run", async () => {
  const start = (startEmbedded: StartEmbedded) =>
    startTestServer({ startEmbedded }, { TEST_POSTGRES: "embedded" });
  let base = "";
  const first = await start(async (options) => {
    base = dirname(dirname(options.dataFolder));
    return embeddedStandIn(options);
  });
  await first.stop();

  const folder = await mkdtemp(join(base, `repo-test-postgres-${await deadPid()}-`));
  // Its command line names the folder, as a postmaster's does.
  const postmaster = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60_000)", join(folder, "data")]);
  const ended = once(postmaster, "exit");
  await writePostmasterPid(folder, postmaster.pid);
  // The id in an old file may be another process' by now: that one is left alone.
  const reused = await mkdtemp(join(base, `repo-test-postgres-${await deadPid()}-`));
  const bystander = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60_000)"]);
  await writePostmasterPid(reused, bystander.pid);

  await (await start(embeddedStandIn)).stop();
  expect(await ended).toEqual([null, "SIGQUIT"]);
  await expect(access(folder)).rejects.toThrow("ENOENT");
  await expect(access(reused)).rejects.toThrow("ENOENT");
  expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
  bystander.kill();
});

test("the server tells its version and a label for people", async () => {
  const server = await startTestServer({ startEmbedded: embeddedStandIn }, { TEST_POSTGRES: "embedded" });
  await server.stop();
  expect(server.version).toMatch(/^\d+\.\d+$/);
  expect(server.versionNumber).toBeGreaterThanOrEqual(140_000);
  expect(server.label).toBe(`embedded PostgreSQL ${server.version}`);
});

test("a server of one's own is used as it is and loses only this run's databases when the run ends", async () => {
  const foreign = await createTestDatabase();
  const server = await startTestServer({ startEmbedded: noEmbedded }, { TEST_POSTGRES: adminUrl() });
  expect(server.lane).toBe("url");
  expect(server.label).not.toContain(new URL(adminUrl()).password);
  const left = `${server.run}_d_left`;
  await adminSql()`create database ${adminSql()(left)}`;
  await server.stop();
  const names = await databaseNames();
  expect(names).not.toContain(left);
  expect(names).toContain(foreign.name);
});

test("what a crashed run left on a server is dropped once it is old", async () => {
  const yesterday = newRunName(Date.now() - 24 * 60 * 60 * 1000);
  const lately = newRunName(Date.now() - 60_000);
  const admin = adminSql();
  for (const name of [`${yesterday}_d_1`, `${lately}_d_1`]) await admin`create database ${admin(name)}`;
  await admin`create role ${admin(`${yesterday}_r_1`)}`;
  const lines: string[] = [];
  const say = (line: string) => lines.push(line);
  const server = await startTestServer({ startEmbedded: noEmbedded, say }, { TEST_POSTGRES: adminUrl() });
  await server.stop();
  const names = await databaseNames();
  await admin`drop database ${admin(`${lately}_d_1`)}`;
  expect(names).not.toContain(`${yesterday}_d_1`);
  expect(names).toContain(`${lately}_d_1`);
  expect(await admin`select 1 from pg_roles where rolname = ${`${yesterday}_r_1`}`).toHaveLength(0);
  // Another run on this server, as in whole-run.test.ts, may have been the one to drop them.
  for (const line of lines)
    expect(line).toMatch(/^test database: dropped [1-9] databases and roles of crashed earlier runs$/);
});

test("a user who may not create databases is told how to get there", async () => {
  const role = await createTestRole();
  const database = await createTestDatabase();
  const start = startTestServer({ startEmbedded: noEmbedded }, { TEST_POSTGRES: role.urlOf(database) });
  await expect(start).rejects.toThrow(`ALTER ROLE "${role.name}" CREATEDB CREATEROLE`);
});

test("a server of one's own that does not answer fails the run without showing the password", async () => {
  const start = startTestServer(
    { startEmbedded: noEmbedded },
    { TEST_POSTGRES: "postgres://u:hunter2@127.0.0.1:1/postgres" },
  );
  await expect(start).rejects.toThrow(/^the test database's server cannot be used: (?!.*hunter2)/);
});
