import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { probeDocker } from "../src/docker.ts";

/** A Docker engine that answers, has no image but one and no way to a registry. */
let engine: Server;
let folder: string;
const requests: string[] = [];

function answer(path: string, response: ServerResponse): void {
  const json = (status: number, body: unknown) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  if (path.endsWith("/info")) json(200, { ServerVersion: "28", OperatingSystem: "none", OSType: "linux" });
  else if (path.includes("/networks/")) json(200, { IPAM: { Config: [{ Gateway: "127.0.0.1" }] } });
  else if (path.includes("/images/here:1/json")) json(200, { Id: "sha256:0" });
  else if (path.includes("fromImage=stalls")) response.write('{"status":"Pulling"}\n');
  else if (path.includes("fromImage=breaks")) response.end('{"error":"unexpected EOF"}\n');
  else if (path.includes("fromImage=slow")) reportProgress(response);
  else if (path.includes("fromImage=refused")) json(500, { message: 'Get "registry": no such host' });
  else if (path.includes("/containers/json")) json(200, []);
  else if (!path.includes("fromImage=silent")) json(404, { message: "not found" });
}

/** Takes longer than the limit in the test, but never long without a word. */
function reportProgress(response: ServerResponse): void {
  let left = 10;
  const timer = setInterval(() => {
    response.write('{"status":"Downloading"}\n');
    if (--left > 0) return;
    clearInterval(timer);
    response.end('{"status":"Pull complete"}\n');
  }, 100);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "docker-"));
  const socket = join(folder, "docker.sock");
  engine = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    answer(request.url ?? "", response);
  });
  await new Promise<void>((resolve) => engine.listen(socket, resolve));
  process.env.DOCKER_HOST = `unix://${socket}`;
  process.env.TESTCONTAINERS_RYUK_DISABLED = "true";
});

afterAll(async () => {
  engine.closeAllConnections();
  engine.close();
  await rm(folder, { recursive: true, force: true });
});

const cases = [
  {
    image: "stalls:1",
    reason: /^image stalls:1 is neither present nor to be had \(the pull made no progress for 0.4 s\)$/,
  },
  {
    image: "silent:1",
    reason: /^image silent:1 is neither present .* \(the pull made no progress for 0.4 s\)$/,
  },
  { image: "breaks:1", reason: /^image breaks:1 is neither present nor to be had \(unexpected EOF\)$/ },
  {
    image: "refused:1",
    reason: /^image refused:1 is neither present nor to be had \(Get "registry": no such host\)$/,
  },
];

test.for(cases)(
  "an image whose pull $image makes the engine unusable, with the reason",
  async ({ image, reason }) => {
    const state = await probeDocker(image, 400);
    expect(state).toEqual({ kind: "unusable", reason: expect.stringMatching(reason) });
  },
);

test("a pull that is slow but makes progress is waited for", async () => {
  expect(await probeDocker("slow:1", 400)).toEqual({ kind: "ready" });
});

test("an image that is present is used without asking a registry", async () => {
  requests.length = 0;
  expect(await probeDocker("here:1", 400)).toEqual({ kind: "ready" });
  expect(requests.filter((request) => request.startsWith("POST"))).toEqual([]);
});
