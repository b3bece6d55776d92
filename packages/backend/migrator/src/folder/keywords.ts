/** Finds one of these words where it may be a keyword: anywhere but as a whole name in quotes, as many columns have it. */
export function keywords(...words: readonly string[]): RegExp {
  const any = `\\b(?:${words.join("|")})\\b`;
  return new RegExp(`(?<!")${any}|${any}(?!")`, "i");
}
