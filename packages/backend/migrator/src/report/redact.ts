/** Takes passwords out of anything that is about to be printed: those of URLs in the text, and those given. */
export function redact(text: string, secrets: readonly string[]): string {
  // Up to the last @ of the word: people write passwords into URLs as they are, an @ included.
  const withoutUrls = text
    .replaceAll(/(\bpostgres(?:ql)?:\/\/[^\s:@/]*):[^\s"'`]*@/gi, "$1:***@")
    .replaceAll(/([?&]password=)[^\s"'`&]*/gi, "$1***");
  // Longest first, so that a secret that contains another is not half shown.
  const known = secrets.filter((secret) => secret !== "").sort((one, other) => other.length - one.length);
  return known.reduce((clean, secret) => clean.replaceAll(secret, "***"), withoutUrls);
}
