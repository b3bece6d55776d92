import type { Secrets } from "../secrets.ts";

/** Takes passwords out of anything that is about to be printed: those of URLs in the text, and those given. */
export function redact(text: string, { words, names }: Secrets): string {
  const withoutUrls = text
    // Up to the last @ of the word: people write passwords into URLs as they are, an @ included.
    .replaceAll(/(\bpostgres(?:ql)?:\/\/[^\s:@/]*):[^\s"'`]*@/gi, "$1:***@")
    .replaceAll(/([?&]password=)[^\s"'`&]*/gi, "$1***")
    // As SQL has them: CREATE ROLE … PASSWORD '…', and in a connection's words (CONNECTION 'password=…', also quoted in it).
    .replaceAll(/(\bpassword\s+)e?'(?:[^'\\]|''|\\.)*'?/gi, "$1'***'")
    .replaceAll(/(\bpassword\s*=\s*)(?:''(?:[^'])*''|[^\s"'`&;,)]+)/gi, "$1***");
  // Longest first, so that a secret that contains another is not half shown.
  const withoutNames = longestFirst(names).reduce(
    (clean, name) => clean.replaceAll(`:${name}@`, ":***@").replaceAll(`password=${name}`, "password=***"),
    withoutUrls,
  );
  return longestFirst(words).reduce((clean, word) => clean.replaceAll(word, "***"), withoutNames);
}

function longestFirst(secrets: readonly string[]): readonly string[] {
  return secrets.filter((secret) => secret !== "").sort((one, other) => other.length - one.length);
}
