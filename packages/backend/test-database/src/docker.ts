import { PostgreSqlContainer } from "@testcontainers/postgresql";
import { type ContainerRuntimeClient, getContainerRuntimeClient, getReaper, ImageName } from "testcontainers";
import { firstLineOf, withinTime } from "./bounded.ts";
import type { DockerState } from "./lane.ts";

/** A PostgreSQL that runs in a container of this run. */
export interface PostgresContainer {
  readonly url: string;
  /** Removes the container and its data. */
  stop(): Promise<void>;
}

const FIND_ENGINE_MS = 10_000;
/** A pull may take its time as long as it makes progress. */
const QUIET_PULL_MS = 15_000;
const REAPER_MS = 30_000;
const START_MS = 90_000;

/** In no image's list of volumes, and the same for every major version of the official image. */
const DATA_FOLDER = "/pgdata";

/** Whether an engine answers. Testcontainers does the search: DOCKER_HOST, contexts, rootless and usual sockets. */
export async function findEngine(): Promise<ContainerRuntimeClient | undefined> {
  return withinTime("looking for Docker", FIND_ENGINE_MS, getContainerRuntimeClient()).catch(() => undefined);
}

/**
 * Whether the Testcontainers lane would start with this image: the image is here or can be pulled, and so can that of
 * Ryuk, Testcontainers' cleaner. Meant for the unforced run, which needs the answer quickly and may take another lane:
 * a pull is given up when it says nothing for `quietPullMs` milliseconds.
 */
export async function probeDocker(image: string, quietPullMs = QUIET_PULL_MS): Promise<DockerState> {
  const engine = await findEngine();
  if (!engine) return { kind: "absent" };
  try {
    await ensureImage(engine, ImageName.fromString(image), quietPullMs);
  } catch (error) {
    return {
      kind: "unusable",
      reason: `image ${image} is neither present nor to be had (${firstLineOf(error)})`,
    };
  }
  try {
    await withinTime("starting it", REAPER_MS, getReaper(engine));
  } catch (error) {
    return {
      kind: "unusable",
      reason: `Testcontainers' cleaner Ryuk cannot be started (${firstLineOf(error)}; TESTCONTAINERS_RYUK_DISABLED=true does without)`,
    };
  }
  return { kind: "ready" };
}

/**
 * Starts PostgreSQL in a container with a superuser `postgres`. Testcontainers pulls the image where it is missing.
 * The data lives in memory: cloning a database from a template writes some hundred files.
 */
export async function startPostgresContainer(options: {
  readonly image: string;
  readonly password: string;
  readonly settings: Readonly<Record<string, string>>;
}): Promise<PostgresContainer> {
  const flags = Object.entries(options.settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const container = await new PostgreSqlContainer(options.image)
    .withUsername("postgres")
    .withPassword(options.password)
    .withDatabase("postgres")
    .withEnvironment({ PGDATA: `${DATA_FOLDER}/data` })
    .withTmpFs({ [DATA_FOLDER]: "rw" })
    .withCommand(["postgres", ...flags])
    .withHealthCheck(HEALTH_CHECK)
    .withStartupTimeout(START_MS)
    .start();
  return {
    url: container.getConnectionUri(),
    stop: async () => {
      await container.stop();
    },
  };
}

/**
 * Testcontainers' own goes through a shell and is killed after a second. What the shell leaves is then PostgreSQL's child,
 * as that is the container's first process, dies of a broken pipe, and PostgreSQL restarts as after a crash.
 */
const HEALTH_CHECK = {
  test: ["CMD", "pg_isready", "--host", "localhost", "--username", "postgres"] as ["CMD", ...string[]],
  interval: 500,
  timeout: START_MS,
  retries: 1000,
};

async function ensureImage(
  engine: ContainerRuntimeClient,
  image: ImageName,
  quietPullMs: number,
): Promise<void> {
  if (await engine.image.exists(image)) return;
  await pull(engine, image, quietPullMs);
}

/** Pulls without credentials; an image of a private registry has to be pulled by its user first. */
async function pull(engine: ContainerRuntimeClient, image: ImageName, quietMs: number): Promise<void> {
  const { dockerode } = engine.container;
  const abort = new AbortController();
  const reason = new Error(`the pull made no progress for ${quietMs / 1000} s`);
  const watchdog = setTimeout(() => abort.abort(reason), quietMs);
  try {
    const aborted = new Promise<never>((_, reject) => {
      abort.signal.addEventListener("abort", () => reject(abort.signal.reason));
    });
    const pulled = dockerode.pull(image.string, { abortSignal: abort.signal }).then(
      (stream: NodeJS.ReadableStream) =>
        new Promise<void>((resolve, reject) => {
          dockerode.modem.followProgress(
            stream,
            (error) => (error ? reject(error) : resolve()),
            (progress: { readonly error?: string }) => {
              watchdog.refresh();
              // An engine that fails halfway says so within the stream and then ends it as usual.
              if (progress.error !== undefined) reject(new Error(progress.error));
            },
          );
        }),
    );
    await Promise.race([pulled, aborted]);
  } finally {
    clearTimeout(watchdog);
  }
}
