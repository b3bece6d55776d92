/**
 * What `work` gives, or an error once `limitMs` milliseconds have passed. The work itself is not stopped by this.
 * @throws Error `<what> took longer than <n> s`
 */
export async function withinTime<T>(what: string, limitMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${limitMs / 1000} s`)), limitMs);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** The first line of what an error says, without the HTTP status that Docker's errors begin with. */
export function firstLineOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  const line = text.trim().split("\n", 1)[0] ?? "";
  return line.replace(/^\(HTTP code \d+\) [\w ]+ - /, "").trim();
}
