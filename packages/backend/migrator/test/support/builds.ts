import { setTimeout as sleep } from "node:timers/promises";
import type { TestDatabase } from "@repo/test-database";
import { migrate, type SettingsInput } from "../../src/index.ts";
import { type OtherSession, openOther, until } from "./sessions.ts";

/** How sessions that write all the time fared while an index was built. */
export interface WritesDuringBuild {
  /** From when the build was first seen to when it was last seen, in ms. */
  readonly buildMs: number;
  /** How many of the sessions were seen to wait for the builder at the same time. */
  readonly waitedAtOnce: number;
  readonly writers: readonly {
    /** Writes that were begun and came back while the build was seen. */
    readonly inside: number;
    /** The slowest of all, in ms. */
    readonly longestMs: number;
  }[];
}

/** Each on its own connection. */
const WRITERS = 4;

/** Between two writes of one session, and between two looks at the build, in ms. */
const PAUSE_MS = 10;

interface Span {
  readonly from: number;
  readonly to: number;
}

/** Migrates under writes. @param write one row, in one statement */
export async function writeDuringBuild(
  { url, sql, settings }: Pick<TestDatabase, "url" | "sql"> & { readonly settings: SettingsInput },
  write: string,
): Promise<WritesDuringBuild> {
  const names = Array.from({ length: WRITERS }, (_, index) => `shop ${index + 1}`);
  const sessions = await Promise.all(names.map((name) => openOther(url, name)));
  const writes = sessions.map((): Span[] => []);
  const stopping = new AbortController();
  const writing = sessions.map((session, index) =>
    writeSteadily(session, write, stopping.signal, (span) => writes[index]?.push(span)),
  );
  try {
    await until("every session to write", async () => writes.every(({ length }) => length > 0));
    const { from, to, waitedAtOnce } = await watchBuild(sql, sessions, migrate(settings));
    stopping.abort();
    await Promise.all(writing);
    return {
      buildMs: to - from,
      waitedAtOnce,
      writers: writes.map((spans) => summaryOf(spans, { from, to })),
    };
  } finally {
    stopping.abort();
  }
}

async function writeSteadily(
  session: OtherSession,
  write: string,
  signal: AbortSignal,
  record: (span: Span) => void,
): Promise<void> {
  while (!signal.aborted) {
    const from = performance.now();
    await session.run(write);
    record({ from, to: performance.now() });
    await sleep(PAUSE_MS);
  }
}

/** Looks at the build until the run has ended. The span is inside of it: from an answer that has it to a question that still finds it. */
async function watchBuild(
  sql: TestDatabase["sql"],
  sessions: readonly OtherSession[],
  run: Promise<unknown>,
): Promise<Span & { readonly waitedAtOnce: number }> {
  const pids = sessions.map(({ pid }) => pid);
  const seen: { readonly asked: number; readonly answered: number; readonly waiting: number }[] = [];
  let hasEnded = false;
  const ending = run.finally(() => {
    hasEnded = true;
  });
  while (!hasEnded) {
    const asked = performance.now();
    const [build] = await sql<{ waiting: number }[]>`
      select (select count(*)::int from unnest(${pids}::int[]) w (pid) where p.pid = any(pg_blocking_pids(w.pid))) as waiting
      from pg_stat_progress_create_index p where p.datname = current_database()`;
    if (build) seen.push({ asked, answered: performance.now(), waiting: build.waiting });
    await sleep(PAUSE_MS);
  }
  await ending;
  return {
    from: seen.at(0)?.answered ?? 0,
    to: seen.at(-1)?.asked ?? 0,
    waitedAtOnce: Math.max(...seen.map(({ waiting }) => waiting)),
  };
}

function summaryOf(spans: readonly Span[], { from, to }: Span): WritesDuringBuild["writers"][number] {
  return {
    inside: spans.filter((span) => span.from >= from && span.to <= to).length,
    longestMs: Math.max(...spans.map((span) => span.to - span.from)),
  };
}
