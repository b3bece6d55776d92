import type { Times } from "./statistics.ts";

/** One that takes part in a race. */
export interface Lane {
  readonly name: string;
  /** One timed run, in ms. What it needs around it (a fresh database) is not in the time. */
  run(): Promise<number>;
}

/**
 * Lets all run in turns, so that whatever slows the machine for a while slows all of them. Each round begins with
 * another lane; a first round, which fills the caches, is not counted.
 * @param warmUp whether there is that round
 */
export async function race(lanes: readonly Lane[], rounds: number, warmUp = true): Promise<readonly Times[]> {
  const times = new Map(lanes.map(({ name }) => [name, [] as number[]]));
  for (let round = warmUp ? 0 : 1; round <= rounds; round++) {
    for (const lane of rotated(lanes, round)) {
      const ms = await lane.run();
      if (round > 0) times.get(lane.name)?.push(ms);
    }
    process.stderr.write(`  round ${round} of ${rounds}\n`);
  }
  return [...times].map(([name, ms]) => ({ name, ms }));
}

function rotated<T>(values: readonly T[], by: number): readonly T[] {
  const at = by % values.length;
  return [...values.slice(at), ...values.slice(0, at)];
}
