import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestDatabase } from "@repo/test-database";
import postgres from "postgres";
import { onTestFinished } from "vitest";
import { runAsFor } from "../../src/database/unprivileged.ts";
import { closedPort } from "./server.ts";
import { until } from "./sessions.ts";

/** How PgBouncer hands out server connections. */
export type PoolMode = "session" | "transaction";

/** @throws Error that names the package, where there is no PgBouncer */
export async function findPgBouncer(): Promise<string> {
  const child = spawn("pgbouncer", ["--version"], { stdio: "ignore", env: { PATH: SEARCHED } });
  const [code] = await once(child, "close").catch(() => [null]);
  if (code === 0) return "pgbouncer";
  throw new Error(
    "PgBouncer is not installed: these tests run the real one. Debian and Ubuntu: apt-get install pgbouncer; macOS: brew install pgbouncer",
  );
}

/** Debian has it among the system's binaries, where a user's PATH does not look. */
const SEARCHED = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;

/** Starts PgBouncer in front of a database, for the length of the test. Gives the database's URL through it. */
export async function startPgBouncer(
  database: Pick<TestDatabase, "url">,
  mode: PoolMode,
  poolSize: number,
): Promise<string> {
  const binary = await findPgBouncer();
  // Not in the tests' own folder, which is closed to the user that it runs as for root.
  const folder = await mkdtemp(join(tmpdir(), "migrator-pgbouncer-"));
  const url = new URL(database.url);
  const port = await closedPort();
  const user = decodeURIComponent(url.username);
  const settings = {
    listen_addr: "127.0.0.1",
    listen_port: port,
    unix_socket_dir: "",
    auth_type: "plain",
    auth_file: join(folder, "users.txt"),
    pool_mode: mode,
    default_pool_size: poolSize,
    // The next connection for each transaction: what otherwise happens now and then happens always.
    server_round_robin: 1,
    ignore_startup_parameters: "extra_float_digits",
    logfile: join(folder, "pgbouncer.log"),
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  const target = `* = host=${url.hostname} port=${url.port || 5432}`;
  const file = join(folder, "pgbouncer.ini");
  await writeFile(file, `[databases]\n${target}\n[pgbouncer]\n${lines.join("\n")}\n`);
  await writeFile(settings.auth_file, `"${user}" "${decodeURIComponent(url.password)}"\n`);
  // It refuses to run as root.
  const { owner } = await runAsFor([tmpdir()]);
  if (owner) for (const path of [folder, file, settings.auth_file]) await chown(path, owner.uid, owner.gid);
  await chmod(settings.auth_file, 0o600);
  const child = spawn(binary, [file], { stdio: "ignore", env: { PATH: SEARCHED }, ...owner });
  const closed = once(child, "close");
  onTestFinished(async () => {
    child.kill("SIGQUIT");
    await closed;
    await rm(folder, { recursive: true, force: true });
  });
  url.hostname = "127.0.0.1";
  url.port = String(port);
  await until("PgBouncer to answer", () => answers(url.href));
  return url.href;
}

async function answers(url: string): Promise<boolean> {
  const sql = postgres(url, { max: 1, connect_timeout: 2, prepare: false, fetch_types: false });
  return sql
    .unsafe("select 1")
    .then(
      () => true,
      () => false,
    )
    .finally(() => sql.end({ timeout: 0 }));
}
