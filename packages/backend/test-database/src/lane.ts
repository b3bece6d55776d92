/** What a run's PostgreSQL is: a container, the embedded binaries, or somebody's server. */
export type LaneName = "testcontainers" | "embedded" | "url";

/** What the environment asks for, parsed. */
export type LaneRequest =
  | { readonly kind: "automatic" }
  | { readonly kind: "forced"; readonly lane: "testcontainers" | "embedded" }
  | { readonly kind: "url"; readonly url: string };

/** What was found of Docker, including whether the image can be used. */
export type DockerState =
  | { readonly kind: "not looked for" }
  | { readonly kind: "absent" }
  | { readonly kind: "ready" }
  | { readonly kind: "unusable"; readonly reason: string };

/** The lane to take, and what the user should be told about the choice. */
export interface LaneChoice {
  readonly lane: LaneName;
  readonly note?: string;
}

/** The test database cannot be had as asked; the message says what to do. */
export class TestDatabaseError extends Error {
  override readonly name = "TestDatabaseError";
}

/** The image of the Testcontainers lane where `TEST_POSTGRES_IMAGE` names none. */
export const DEFAULT_IMAGE = "postgres:17-alpine";

/**
 * Parses `TEST_POSTGRES`: empty or absent means automatic.
 * @throws TestDatabaseError for any value that is not a lane or a PostgreSQL URL; a typing error must not choose a lane.
 */
export function parseLaneRequest(value: string | undefined): LaneRequest {
  const text = value?.trim() ?? "";
  if (text === "") return { kind: "automatic" };
  if (text === "testcontainers" || text === "embedded") return { kind: "forced", lane: text };
  if (/^postgres(ql)?:\/\/./.test(text) && URL.canParse(text)) return { kind: "url", url: text };
  // The value is not repeated where it may hold a password.
  const shown = /:\/\/|@/.test(text) ? "this value" : `"${text}"`;
  throw new TestDatabaseError(
    `TEST_POSTGRES does not know ${shown}: use testcontainers, embedded or a URL like postgres://user:password@host:5432/postgres, or leave it unset`,
  );
}

/** Whether the choice depends on Docker; looking costs about half a second. */
export function dependsOnDocker(request: LaneRequest): boolean {
  return request.kind === "automatic" || (request.kind === "forced" && request.lane === "testcontainers");
}

/**
 * Chooses the lane. Pure.
 * @throws TestDatabaseError when Testcontainers is forced and Docker cannot serve it: a forced lane never falls back,
 * or CI would report a lane that it did not run.
 */
export function chooseLane(request: LaneRequest, docker: DockerState): LaneChoice {
  if (request.kind === "url") return { lane: "url" };
  if (request.kind === "forced" && request.lane === "embedded") return { lane: "embedded" };
  if (docker.kind === "ready") return { lane: "testcontainers" };
  if (request.kind === "automatic") {
    return docker.kind === "unusable"
      ? {
          lane: "embedded",
          note: `Docker answers, but ${docker.reason}; taking the embedded PostgreSQL instead`,
        }
      : { lane: "embedded" };
  }
  throw new TestDatabaseError(
    docker.kind === "unusable"
      ? `TEST_POSTGRES=testcontainers cannot start: ${docker.reason}`
      : "TEST_POSTGRES=testcontainers cannot start: no Docker engine answers. Start one, or unset TEST_POSTGRES to use the embedded PostgreSQL",
  );
}
