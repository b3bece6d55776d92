import { readUrl } from "./libpq-url.ts";

/** What no output may show. */
export interface Secrets {
  /** Taken out wherever they stand. */
  readonly words: readonly string[];
  /** Passwords that are also the name of their user or database, which is shown: taken out where a password stands. */
  readonly names: readonly string[];
}

/**
 * Passwords met on the way: of URLs in arguments and settings, and `POSTGRES_PASSWORD`. Kept in one place, because the one
 * place that prints must know those that were read long after it was set up.
 */
const words = new Set<string>();
const names = new Set<string>();

/** Words that short stand in any sentence: taking them out would only make it unreadable. */
const SHORTEST_SECRET = 4;

/** Remembers a password, so that no output shows it. @param shown user and database that it belongs to */
export function keepSecret(secret: string | undefined, shown: readonly (string | undefined)[] = []): void {
  if (secret === undefined) return;
  const forms = [secret, decoded(secret), encodeURIComponent(secret)];
  const kept = forms.some((form) => shown.includes(form)) ? names : words;
  for (const form of forms) if (form.length >= SHORTEST_SECRET) kept.add(form);
}

/** Remembers the password of a text that is a URL. */
export function keepSecretOf(text: string | undefined): void {
  const url = text === undefined ? undefined : readUrl(text);
  if (url) keepSecret(url.password, [url.username, url.pathname.slice(1)].map(decoded));
}

/** All that were kept. */
export function keptSecrets(): Secrets {
  return { words: [...words], names: [...names] };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
