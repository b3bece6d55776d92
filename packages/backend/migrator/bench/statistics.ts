/** All timed runs of one contestant, in ms. */
export interface Times {
  readonly name: string;
  readonly ms: readonly number[];
}

/** The middle value; of an even number the upper of the two in the middle. NaN of none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which this part (0 to 1) of the values lies. NaN of none. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/**
 * How many times as long the one took as the other: the median of the rounds' ratios, so that a machine that is slower
 * for a while changes little. NaN where one did not take part.
 */
export function ratioOf(times: readonly Times[], name: string, floor: string): number {
  const msOf = (wanted: string) => times.find((one) => one.name === wanted)?.ms ?? [];
  const least = msOf(floor);
  return median(msOf(name).flatMap((ms, round) => ms / (least[round] ?? Number.NaN)));
}
