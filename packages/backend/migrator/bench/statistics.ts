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

/** Median of the contestant of this name; NaN where it did not take part. */
export function medianOf(times: readonly Times[], name: string): number {
  return median(times.find((one) => one.name === name)?.ms ?? []);
}
