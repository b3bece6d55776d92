import { readUrl } from "./libpq-url.ts";

/**
 * Passwords met on the way: of URLs in arguments and settings, and `POSTGRES_PASSWORD`. Kept in one place, because the one
 * place that prints must know those that were read long after it was set up.
 */
const secrets = new Set<string>();

/** Words that short stand in any sentence: taking them out would only make it unreadable. */
const SHORTEST_SECRET = 4;

/** Remembers a password, so that no output shows it. */
export function keepSecret(secret: string | undefined): void {
  if (secret === undefined) return;
  for (const form of [secret, decoded(secret), encodeURIComponent(secret)]) {
    if (form.length >= SHORTEST_SECRET) secrets.add(form);
  }
}

/** Remembers the password of a text that is a URL. */
export function keepSecretOf(text: string | undefined): void {
  if (text !== undefined) keepSecret(readUrl(text)?.password);
}

/** All that were kept. */
export function keptSecrets(): readonly string[] {
  return [...secrets];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
