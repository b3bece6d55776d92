import { availableParallelism } from "node:os";

/** Indexes of migrations, `to` not included. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** Fewer migrations than this are not worth a database of their own, which costs about 0.2 s. */
const LEAST = 8;

/**
 * Divides a range among as many workers as the machine has cores. The first that fails stops the others.
 * @returns what they give, in order
 */
export async function sideBySide<T>(
  { from, to }: Range,
  signal: AbortSignal,
  work: (range: Range, stop: AbortSignal) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  const total = Math.max(0, to - from);
  const workers = Math.max(1, Math.min(availableParallelism(), Math.floor(total / LEAST)));
  const edge = (index: number) => from + Math.round((total * index) / workers);
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const ranges = Array.from({ length: workers }, (_, index) => ({ from: edge(index), to: edge(index + 1) }));
  let first: { readonly error: unknown } | undefined;
  const results = await Promise.all(
    ranges.map((range) =>
      work(range, either).catch((error: unknown) => {
        // All are waited for: their databases are still in use.
        first ??= { error };
        stop.abort(error);
        return [];
      }),
    ),
  );
  if (first) throw first.error;
  return results.flat();
}
