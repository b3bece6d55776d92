/** Takes passwords out of anything that is about to be printed: those of URLs in the text, and those given. */
export function redact(text: string, secrets: readonly string[]): string {
  const withoutUrls = text.replaceAll(/(\bpostgres(?:ql)?:\/\/[^\s:@/]*):[^\s@/]+@/gi, "$1:***@");
  // Longest first, so that a secret that contains another is not half shown.
  const known = [...new Set(secrets)]
    .filter((secret) => secret !== "")
    .sort((one, other) => other.length - one.length);
  return known.reduce((clean, secret) => clean.replaceAll(secret, "***"), withoutUrls);
}

/** The passwords that a run may come across: of URLs in arguments and environment, and of `POSTGRES_PASSWORD`. */
export function secretsIn(
  texts: readonly string[],
  passwords: readonly (string | undefined)[],
): readonly string[] {
  const fromUrls = texts.flatMap((text) => (URL.canParse(text) ? [new URL(text).password] : []));
  const all = [
    ...fromUrls,
    ...fromUrls.map(decoded),
    ...passwords.filter((password) => password !== undefined),
  ];
  // Words that short stand in any sentence: taking them out would only make it unreadable.
  return all.filter((secret) => secret.length >= SHORTEST_SECRET);
}

const SHORTEST_SECRET = 4;

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
