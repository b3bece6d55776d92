import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import type { RunContext } from "../src/apply/context.ts";
import type { Job } from "../src/apply/job.ts";
import { createPipeline } from "../src/apply/pipeline.ts";
import { readSettings } from "../src/config.ts";
import type { Call } from "../src/database/prepared.ts";

/** A migration whose file has so many characters. */
function jobOf(tag: string, characters: number, parts: Partial<Job> = {}): Job {
  const statements = [{ sql: tag.padEnd(characters, "-"), number: 1, line: 1 }];
  return {
    migration: { tag },
    direction: "up",
    script: { fileName: `${tag}.sql`, hash: tag, statements },
    segments: [{ transactional: true, statements }],
    hash: tag,
    inLedger: wordsOf(`insert ${tag}`),
    done: { test: wordsOf(`done ${tag}`), isTrue: () => false },
    guards: [],
    partial: undefined,
    ...parts,
  } as unknown as Job;
}

function wordsOf(sql: string): Call {
  return { template: { name: sql, types: [], sql: () => sql }, values: [] };
}

/** A pipeline to a server that answers by `answer`, and the texts that were sent, in order. */
async function pipelineOf(
  jobs: readonly Job[],
  answer: (text: string) => Promise<void>,
  signal?: AbortSignal,
) {
  const sent: string[] = [];
  const unsafe = async (text: string) => {
    sent.push(text);
    await answer(text);
    return [];
  };
  const batch = async (texts: readonly { readonly sql: string }[]) =>
    Promise.all(texts.map(({ sql }) => unsafe(sql)));
  const context = {
    settings: await readSettings({ migrations: ".", url: "postgres://u@127.0.0.1:1/d" }),
    database: {
      sql: { unsafe, signal: unsafe, batch },
      address: { host: "h", port: 1 },
      sessionSettings: [],
    },
    on: () => {},
    signal: signal ?? new AbortController().signal,
  } as unknown as RunContext;
  const pipeline = createPipeline(context, jobs, { setUp: [], keepsHistory: false });
  return { pipeline, sent };
}

const never = () => new Promise<void>(() => {});

/** Sends the first of these, to a server that does not answer. Gives the tags that were sent. */
async function sentOf(jobs: readonly Job[], signal?: AbortSignal): Promise<readonly string[]> {
  const { pipeline, sent } = await pipelineOf(jobs, never, signal);
  void pipeline.attempt(0, 0);
  await setImmediate();
  return jobs.map(({ hash }) => hash).filter((tag) => sent.some((text) => text.startsWith(tag)));
}

function tags(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `t${index}.`);
}

const K = 1000;

test.each([
  ["sixteen more, of small ones", Array(20).fill(10), 17],
  ["none, behind one that takes several messages", [33 * K, 10, 10], 0],
  ["none that takes several messages", [10, 33 * K, 10], 1],
])("what is sent ahead: %s", async (_, sizes: readonly number[], count) => {
  const jobs = sizes.map((size, index) => jobOf(`t${index}.`, size));
  expect(await sentOf(jobs)).toEqual(tags(count));
});

test.each([
  [
    "in segments",
    {
      segments: [
        { transactional: true, statements: [] },
        { transactional: true, statements: [] },
      ],
    },
  ],
  ["of a lone statement", { segments: [{ transactional: false }] }],
  ["whose run was cut", { partial: {} }],
])("neither one %s is sent ahead nor what is behind it", async (_, parts) => {
  const jobs = [
    jobOf("t0.", 10),
    jobOf("t1.", 10),
    jobOf("t2.", 10, parts as Partial<Job>),
    jobOf("t3.", 10),
  ];
  expect(await sentOf(jobs)).toEqual(tags(2));
});

test("nothing is sent ahead once the run shall end", async () => {
  expect(await sentOf([jobOf("t0.", 10), jobOf("t1.", 10)], AbortSignal.abort())).toEqual(tags(1));
});

test("each transaction begins only if the one before it stands", async () => {
  const jobs = tags(3).map((tag) => jobOf(tag, 10));
  const { pipeline, sent } = await pipelineOf(jobs, never);
  void pipeline.attempt(0, 0);
  await setImmediate();
  const conditions = sent
    .filter((text) => text.includes("begin read write"))
    .map((text) => /not \((done t\d\.)\)/.exec(text)?.[1]);
  expect(conditions).toEqual([undefined, "done t0.", "done t1."]);
});

test("what had been sent behind a failure is told, until the next try", async () => {
  const jobs = tags(4).map((tag) => jobOf(tag, 10));
  let fails = true;
  const { pipeline } = await pipelineOf(jobs, async (text) => {
    if (fails && text.startsWith("t1.")) throw new Error("no");
  });
  await pipeline.attempt(0, 0);
  expect(pipeline.isUnderWay(0)).toBe(false);
  expect(pipeline.isUnderWay(1)).toBe(true);
  await expect(pipeline.attempt(1, 0)).rejects.toThrow();
  expect(pipeline.fallen.map(({ hash }) => hash)).toEqual(["t2.", "t3."]);
  expect(pipeline.isUnderWay(2)).toBe(false);
  fails = false;
  await pipeline.attempt(1, 1);
  expect(pipeline.fallen).toEqual([]);
});
