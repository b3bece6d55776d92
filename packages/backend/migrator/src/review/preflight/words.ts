import type { Relation } from "../facts.ts";

/** `1 row`, `1,203 rows` */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
}

/** `wish`, `wish.store`; the schema named where it is not public. */
export function showName({ schema, name }: Pick<Relation, "schema" | "name">, column?: string): string {
  const names = [...(schema === "public" ? [] : [schema]), name, ...(column === undefined ? [] : [column])];
  return names.join(".");
}

/** What was looked at: `1,203 rows`, `a sample of 5 % (500,120 rows)`. */
export function showExtent(rows: number, percent: number | undefined): string {
  return percent === undefined ? counted(rows, "row") : `a sample of ${percent} % (${counted(rows, "row")})`;
}

/** `for example id = 1, id = 2`; examples that have commas themselves are divided by semicolons. */
export function showExamples(examples: readonly string[]): string {
  return `for example ${examples.join(examples.some((one) => one.includes(", ")) ? "; " : ", ")}`;
}

/** A value as in `store = 'Amazon'`, cut where it is long. */
export function showValue(value: string | null): string {
  if (value === null) return "NULL";
  const short = value.length > LONGEST ? `${value.slice(0, LONGEST)}…` : value;
  return `'${short.replaceAll("'", "''")}'`;
}

/** Characters of a value that are shown. */
const LONGEST = 60;
