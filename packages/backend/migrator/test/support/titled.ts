/** Cases for `test.each` with `%s`, which shows a title whole where `$title` would quote and cut it. */
export function titled<T extends { readonly title: string }>(
  cases: readonly T[],
): [title: string, one: Omit<T, "title">][] {
  return cases.map(({ title, ...one }) => [title, one]);
}
