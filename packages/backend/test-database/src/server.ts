import { randomBytes } from "node:crypto";
import { connectQuietly } from "./admin.ts";
import { firstLineOf } from "./bounded.ts";
import { type StartEmbedded, startInTemporaryFolder } from "./embedded-lane.ts";
import {
  chooseLane,
  DEFAULT_IMAGE,
  type DockerState,
  dependsOnDocker,
  type LaneName,
  type LaneRequest,
  parseLaneRequest,
  TestDatabaseError,
} from "./lane.ts";
import { isLeftover, newRunName } from "./names.ts";
import { sweep } from "./sweep.ts";

export type { StartEmbedded } from "./embedded-lane.ts";
export { type LaneName, TestDatabaseError } from "./lane.ts";

/** The PostgreSQL of one test run. */
export interface TestServer {
  readonly lane: LaneName;
  /** A superuser's URL; in the lane `url` that of the user in it, who may create databases. */
  readonly url: string;
  /** `server_version` without the packager's remark, e.g. `17.10`. */
  readonly version: string;
  /** `server_version_num`, e.g. 170010. */
  readonly versionNumber: number;
  /** What the names of this run's databases and roles start with. */
  readonly run: string;
  /** For people: `embedded PostgreSQL 17.10`. */
  readonly label: string;
  /** Stops the server; in the lane `url` drops what this run left on it. Called again it does nothing. */
  stop(): Promise<void>;
}

/** What `startTestServer` needs from outside. */
export interface TestServerOptions {
  /** Starts the embedded PostgreSQL. Handed in, because the package that has it is tested with this one. */
  readonly startEmbedded: StartEmbedded;
  /** Where a line about an unexpected choice goes; standard output where absent. */
  readonly say?: (line: string) => void;
}

/** Durability off, room for the connections of parallel tests; the planner is left as it is. */
const SETTINGS = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  max_connections: "200",
  // The data may live in memory, where a gigabyte of kept WAL is dear.
  max_wal_size: "256MB",
} as const;

/**
 * Starts the PostgreSQL for a whole test run: in a container where Docker answers and the image is to be had, else
 * from the embedded binaries. `TEST_POSTGRES=testcontainers|embedded|<url>` forces one, `TEST_POSTGRES_IMAGE` names
 * the container's image (default `postgres:17-alpine`).
 * @throws TestDatabaseError when a forced lane cannot start or TEST_POSTGRES has another value
 */
export async function startTestServer(
  options: TestServerOptions,
  env: NodeJS.ProcessEnv = process.env,
): Promise<TestServer> {
  const request = parseLaneRequest(env.TEST_POSTGRES);
  const image = env.TEST_POSTGRES_IMAGE?.trim() || DEFAULT_IMAGE;
  const say = options.say ?? console.log;
  const { lane, note } = chooseLane(request, await lookAtDocker(request, image));
  if (note) say(`test database: ${note}`);
  if (request.kind === "url") return connectToServer(request.url, say);
  if (lane === "embedded") return startEmbedded(options.startEmbedded);
  try {
    return await startContainer(image);
  } catch (error) {
    const reason = `image ${image} did not start (${firstLineOf(error)})`;
    const choice = chooseLane(request, { kind: "unusable", reason });
    say(`test database: ${choice.note}`);
    return startEmbedded(options.startEmbedded);
  }
}

/** Loads Testcontainers (half a second) only for those who may use it. */
async function lookAtDocker(request: LaneRequest, image: string): Promise<DockerState> {
  if (!dependsOnDocker(request)) return { kind: "not looked for" };
  const { findEngine, probeDocker } = await import("./docker.ts");
  if (request.kind === "automatic") return probeDocker(image);
  // Forced: Testcontainers itself fetches what is missing, with the user's registry credentials and all its patience.
  return (await findEngine()) ? { kind: "ready" } : { kind: "absent" };
}

async function startContainer(image: string): Promise<TestServer> {
  const { startPostgresContainer } = await import("./docker.ts");
  const container = await startPostgresContainer({ image, password: newPassword(), settings: SETTINGS });
  const label = (version: string) => `Testcontainers image ${image}, PostgreSQL ${version}`;
  return describe("testcontainers", container.url, label, container.stop);
}

async function startEmbedded(start: StartEmbedded): Promise<TestServer> {
  const server = await startInTemporaryFolder(start, { password: newPassword(), settings: SETTINGS });
  return describe("embedded", server.url, (version) => `embedded PostgreSQL ${version}`, server.stop);
}

async function connectToServer(url: string, say: (line: string) => void): Promise<TestServer> {
  const { host, hostname } = new URL(url);
  const run = newRunName();
  const clean = async (chosen: (name: string) => boolean): Promise<number> => {
    const admin = connectQuietly(url, 1);
    try {
      return await sweep(admin, url, chosen);
    } finally {
      await admin.end({ timeout: 1 });
    }
  };
  const label = (version: string) =>
    `TEST_POSTGRES at ${host || hostname || "its host"}, PostgreSQL ${version}`;
  const cleanUp = async () => {
    await clean((name) => name.startsWith(`${run}_`));
  };
  const server = await describe("url", url, label, cleanUp, run);
  const dropped = await clean((name) => isLeftover(name));
  if (dropped > 0) say(`test database: dropped ${dropped} databases and roles of crashed earlier runs`);
  return server;
}

/** Asks the server who it is, which also shows that it can be used; a server that cannot is stopped again. */
async function describe(
  lane: LaneName,
  url: string,
  label: (version: string) => string,
  stopServer: () => Promise<void>,
  run: string = newRunName(),
): Promise<TestServer> {
  try {
    const { version, versionNumber } = await readServer(url);
    let stopped: Promise<void> | undefined;
    return {
      lane,
      url,
      version,
      versionNumber,
      run,
      label: label(version),
      stop: () => {
        stopped ??= stopServer();
        return stopped;
      },
    };
  } catch (error) {
    if (lane !== "url") await stopServer();
    if (error instanceof TestDatabaseError) throw error;
    const message = `the test database's server cannot be used: ${firstLineOf(error)}`;
    throw new TestDatabaseError(message, { cause: error });
  }
}

async function readServer(url: string): Promise<{ version: string; versionNumber: number }> {
  const admin = connectQuietly(url, 1);
  try {
    const [row] = await admin<{ version: string; number: number; user: string; allowed: boolean }[]>`
      select split_part(current_setting('server_version'), ' ', 1) as version,
        current_setting('server_version_num')::int as number,
        current_user as user,
        rolsuper or rolcreatedb as allowed
      from pg_roles where rolname = current_user`;
    if (!row?.allowed) {
      throw new TestDatabaseError(
        `TEST_POSTGRES: user ${row?.user} may not create databases; as a superuser: ALTER ROLE "${row?.user}" CREATEDB CREATEROLE`,
      );
    }
    return { version: row.version, versionNumber: row.number };
  } finally {
    await admin.end({ timeout: 1 });
  }
}

/** A password, so that the tests go through SCRAM like everybody else. */
function newPassword(): string {
  return randomBytes(12).toString("hex");
}
