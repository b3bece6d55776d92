import { expect, test } from "vitest";
import { chooseLane, type DockerState, type LaneChoice, parseLaneRequest } from "../src/lane.ts";

const absent: DockerState = { kind: "absent" };
const ready: DockerState = { kind: "ready" };
const noImage: DockerState = {
  kind: "unusable",
  reason: "image postgres:17-alpine is neither present nor to be had",
};
const url = "postgres://me:secret@db.example:5433/postgres";

interface Row {
  readonly asked: string | undefined;
  readonly docker: DockerState;
  readonly expected: LaneChoice | RegExp;
}

const rows: readonly Row[] = [
  { asked: undefined, docker: ready, expected: { lane: "testcontainers" } },
  { asked: "", docker: ready, expected: { lane: "testcontainers" } },
  { asked: undefined, docker: absent, expected: { lane: "embedded" } },
  {
    asked: undefined,
    docker: noImage,
    expected: {
      lane: "embedded",
      note: "Docker answers, but image postgres:17-alpine is neither present nor to be had; taking the embedded PostgreSQL instead",
    },
  },
  { asked: "testcontainers", docker: ready, expected: { lane: "testcontainers" } },
  {
    asked: "testcontainers",
    docker: absent,
    expected: /testcontainers cannot start: no Docker engine answers/,
  },
  {
    asked: "testcontainers",
    docker: noImage,
    expected: /testcontainers cannot start: image .* neither present/,
  },
  { asked: "embedded", docker: ready, expected: { lane: "embedded" } },
  { asked: " embedded ", docker: absent, expected: { lane: "embedded" } },
  { asked: url, docker: ready, expected: { lane: "url" } },
  { asked: "postgresql://localhost/x", docker: absent, expected: { lane: "url" } },
  {
    asked: "docker",
    docker: ready,
    expected: /does not know "docker": use testcontainers, embedded or a URL/,
  },
  { asked: "Embedded", docker: ready, expected: /does not know "Embedded"/ },
  { asked: "mysql://me:secret@host/db", docker: ready, expected: /^TEST_POSTGRES does not know this value:/ },
  { asked: "postgres://", docker: ready, expected: /TEST_POSTGRES does not know this value/ },
];

test.for(rows)(
  "TEST_POSTGRES=$asked with Docker $docker.kind gives $expected",
  ({ asked, docker, expected }) => {
    const choose = () => chooseLane(parseLaneRequest(asked), docker);
    if (expected instanceof RegExp) expect(choose).toThrow(expected);
    else expect(choose()).toEqual(expected);
  },
);

test("an unknown value that may hold a password is not repeated", () => {
  expect(() => parseLaneRequest("mysql://me:secret@host/db")).toThrow(/^(?!.*secret)/);
});
